// Runs the AgentServer of a fleet for Node. On hosts; Node itself, and the modules of the fleet.
//
//     node launcher.mjs CONFIG [--check]
//
// What @livekit/agents takes in code only is set here: drain, attempts to reach LiveKit, load. The contract is that of
// launcher.py beside it. The entry point's default export is the agent (defineAgent), as @livekit/agents wants it; what
// else it would give to `new ServerOptions` (requestFunc, loadFunc, permissions, …) it exports as `options`.

import childProcess from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Again } from "./again.mjs";
import { accepts, begin, jobs, registered, served, waiting, watch } from "./told.mjs";

let say = { info() {}, error() {}, warn() {} };

const FOREVER = 1e9; // attempts: at the end of upstream's ten (80 s) the worker exits, and its jobs with it
const SHORT = 5000; // ms that jobs get at a stop that is no drain (a reboot), then their callbacks run
const STARTING = 60000; // ms for a process of jobs: after upstream's ten seconds a busy host makes one after the other
const CLOSING = 30000; // ms for the callbacks of a job
const LOOK = 500; // ms
const MOST = 0.99; // of load that is told
const AFTER = 10000; // ms from a drain's file to the stop at most: systemd starts again what ends before it

class Refused extends Error {}

// ---- the fleet's code

async function found(config) {
  const version = process.versions.node.split(".")[0];
  if (version !== config.interpreter)
    throw new Refused(`this host has Node ${version}, the fleet was built for ${config.interpreter}`);
  const entry = resolve(config.entrypoint);
  const agents = await framework(entry);
  let module;
  try {
    module = await import(pathToFileURL(entry).href);
  } catch (error) {
    throw new Refused(`${config.entrypoint} cannot be imported: ${last(error)}`);
  }
  const agent = agents.isAgent(module.default) ? module.default : module.default?.default;
  if (!agents.isAgent(agent)) throw new Refused(`${config.entrypoint} has no agent (defineAgent) as its default export`);
  return { agents, entry, options: module.options ?? module.default?.options ?? {} };
}

async function framework(entry) {
  // The one that the code itself gets: of its two builds each has classes of its own.
  try {
    const require = createRequire(entry);
    if (!isModule(entry)) return require("@livekit/agents");
    const home = join(process.cwd(), "node_modules/@livekit/agents");
    const { exports, module } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
    const start = (exports?.["."] ?? exports)?.import;
    return await import(pathToFileURL(join(home, start?.default ?? start ?? module)).href);
  } catch (error) {
    throw new Refused(`@livekit/agents cannot be imported: ${last(error)}`);
  }
}

function isModule(file) {
  if (file.endsWith(".mjs")) return true;
  if (file.endsWith(".cjs")) return false;
  for (let at = dirname(file); ; at = dirname(at)) {
    if (existsSync(join(at, "package.json")))
      return JSON.parse(readFileSync(join(at, "package.json"), "utf8")).type === "module";
    if (at === dirname(at)) return false;
  }
}

function last(error) {
  const stack = String(error?.stack ?? "");
  const at = stack.indexOf(process.cwd());
  const place = at < 0 ? null : /^[^\s():]+:\d+/.exec(stack.slice(at));
  const where = place ? ` (${place[0].slice(process.cwd().length + 1)})` : "";
  return `${error?.name ?? "thrown"}: ${String(error?.message ?? error).split("\n")[0]}${where}`;
}

// LiveKit gives no job to a worker that tells a load of 1, whatever its threshold is; a proof waits for nobody.
function unbound(options) {
  const own = options.loadFunc;
  options.loadThreshold = Infinity;
  options.loadFunc = async (server) => Math.min(await own(server), MOST);
}

function prepared(config, { agents, entry, options }) {
  const accept = options.requestFunc ?? (async (request) => request.accept());
  const wanted = {
    ...options,
    agent: entry,
    agentName: config.agent_name,
    wsURL: config.ws_url,
    apiKey: config.api_key,
    apiSecret: config.api_secret,
    maxRetry: FOREVER,
    loadThreshold: config.load_threshold,
    numIdleProcesses: config.num_idle_processes,
    initializeProcessTimeout: Math.max(options.initializeProcessTimeout ?? STARTING, STARTING),
    shutdownProcessTimeout: Math.min(options.shutdownProcessTimeout ?? CLOSING, CLOSING),
    sessionEndTimeout: Math.min(options.sessionEndTimeout ?? CLOSING, CLOSING),
    production: false, // of it come the defaults of ports and idle processes alone: here 0 is 0
    host: "127.0.0.1",
    port: join(process.env.RUNTIME_DIRECTORY ?? "/tmp", "upstream"), // a socket: net.Server.listen takes a path as well
    requestFunc: async (request) => {
      const answer = request.accept;
      request.accept = (...words) => {
        accepts(request.id);
        return answer.apply(request, words);
      };
      return accept(request);
    },
  };
  rmSync(wanted.port, { force: true }); // of a worker that was killed
  const all = new agents.ServerOptions(wanted);
  if (config.deployment || config.load_threshold >= 1) unbound(all);
  return { server: new agents.AgentServer(all), socket: wanted.port };
}

// ---- until SIGTERM, which comes once, or a drain; a second one is not heard

async function work(config, server, state) {
  const drains = () => existsSync(process.env.LKM_DRAINS ?? "/nowhere");
  let heard = false;
  const ended = new Promise((over) => {
    const stop = () => {
      heard = true;
      over(0);
    };
    for (const name of ["SIGTERM", "SIGINT"]) process.on(name, stop);
    // The code of a fleet may have taken SIGTERM away from us. Without a listener Node would end at it, and jobs too.
    setInterval(() => {
      if (!process.listeners("SIGTERM").includes(stop)) process.on("SIGTERM", stop);
      if (drains()) over(0);
    }, LOOK);
    // One bad answer must not end the worker, whose jobs would end with it: they have their time, then it starts again.
    process.on("uncaughtException", (error) => {
      say.error({ error: last(error) }, "the worker failed");
      over(1);
    });
    process.on("unhandledRejection", (error) => say.error({ error: last(error) }, "nobody waited for this failure"));
  });
  server.event.on("worker_registered", registered);
  const running = server.run().then(
    () => 1,
    (error) => {
      say.error({ error: last(error) }, "the worker failed");
      return 1;
    },
  );
  const status = await Promise.race([running, ended]);
  state.draining = true;
  const patience = status === 1 || drains() ? config.drain_timeout * 1000 : SHORT;
  say.info({ jobs: jobs.size, patience: patience / 1000 }, "told to end");
  const began = Date.now();
  const left = () => Math.max(began + patience - Date.now(), 1);
  try {
    await server.drain(left());
    // one that was accepted in the same moment is not among those that upstream waits for
    while ((jobs.size || waiting()) && left() > 1) await new Promise((go) => setTimeout(go, 200));
  } catch (error) {
    say.warn({ jobs: jobs.size, error: last(error) }, "jobs are left at the deadline: they are ended");
  }
  await server.close().catch((error) => say.error({ error: last(error) }, "it does not close in good order"));
  while (status === 0 && drains() && !heard && Date.now() < began + AFTER) await new Promise((go) => setTimeout(go, 200));
  if (!heard && status === 0) say.warn({}, "no SIGTERM was heard: does the code of the fleet handle it?");
  say.info({ after: Math.round((Date.now() - began) / 1000) }, "ended");
  return status;
}

async function main(argv) {
  const text = readFileSync(argv[2], "utf8");
  const config = JSON.parse(text.split("\n").filter((line) => !line.startsWith("#")).join("\n"));
  const level = config.log_level;
  Object.assign(process.env, {
    LIVEKIT_URL: config.ws_url,
    LIVEKIT_API_KEY: config.api_key,
    LIVEKIT_API_SECRET: config.api_secret,
    LIVEKIT_AGENT_NAME_OVERRIDE: config.agent_name,
    LIVEKIT_AGENT_DEPLOYMENT: config.deployment,
    LOG_LEVEL: level,
    ...config.environment,
  });
  const fork = childProcess.fork;
  childProcess.fork = (...words) => watch(fork(...words));
  syncBuiltinESMExports();
  let code;
  try {
    code = await found(config);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  if (argv.includes("--check")) return 0;
  code.agents.initializeLogger({ pretty: false, level });
  say = code.agents.log();
  const again = new Again(config, process.env.RUNTIME_DIRECTORY, say);
  again.read();
  begin(again, say);
  const { server, socket } = prepared(config, code);
  const state = { draining: false };
  served(config, server, state, socket);
  return work(config, server, state);
}

process.exit(await main(process.argv));
