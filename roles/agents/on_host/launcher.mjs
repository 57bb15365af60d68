// Runs the AgentServer of a fleet for Node. On hosts; Node itself, and the modules of the fleet.
//
//     node launcher.mjs CONFIG [--check]
//
// What @livekit/agents takes in code only is set here: drain, attempts to reach LiveKit, load. The contract is that of
// launcher.py beside it. The entry point's default export is the agent (defineAgent), as @livekit/agents wants it; what
// else it would give to `new ServerOptions` (requestFunc, loadFunc, permissions, …) it exports as `options`.

import childProcess from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Again } from "./again.mjs";

const FOREVER = 1e9; // attempts: at the end of upstream's ten (80 s) the worker exits, and its jobs with it
const SHORT = 5000; // ms that jobs get at a stop that is no drain (a reboot), then their callbacks run
const STARTING = 60000; // ms for a process of jobs: after upstream's ten seconds a busy host makes one after the other
const CLOSING = 30000; // ms for the callbacks of a job
const LAUNCHED = 30000; // ms after which a job that was accepted and never came is given up

class Refused extends Error {}

// ---- jobs: each is a process, told by its channel what to do, and telling by it how that went

const jobs = new Map(); // process -> what it does
const accepted = new Map(); // id of a job that waits for its process -> until when
const counted = { taken: 0, registered: 0 };
let again; // what becomes of those that are lost
let say = { info() {}, error() {}, warn() {} };

function watch(child) {
  const send = child.send;
  child.send = function (message, ...rest) {
    if (message?.case === "startJobRequest") {
      const { job, acceptArguments } = message.value.runningJob;
      const identity = acceptArguments?.identity || `agent-${job.id}`;
      const { id, type = 0, dispatchId: dispatch = "", metadata = "" } = job;
      const begun = { id, room: job.room?.name ?? "", type, dispatch, metadata, identity };
      jobs.set(child, { ...begun, done: false, begun });
      again.began(begun);
      accepted.delete(job.id);
      counted.taken += 1;
      say.info({ pid: child.pid, room: job.room?.name, job_id: job.id }, "job started");
    }
    return send.call(this, message, ...rest);
  };
  child.on("message", (message) => {
    const job = jobs.get(child);
    if (!job) return;
    if (message?.case === "exiting" && message.value.reason === "job crashed") job.crashed = true;
    if (message?.case === "done") job.done = true;
  });
  child.on("exit", () => {
    const job = jobs.get(child);
    jobs.delete(child);
    if (job) again.ended(job.begun, !job.done || Boolean(job.crashed));
  });
  return child;
}

function waiting() {
  for (const [id, until] of accepted) if (Date.now() > until) accepted.delete(id);
  return accepted.size;
}

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
    loadThreshold: config.deployment ? Infinity : config.load_threshold,
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
        accepted.set(request.id, Date.now() + LAUNCHED);
        return answer.apply(request, words);
      };
      return accept(request);
    },
  };
  rmSync(wanted.port, { force: true }); // of a worker that was killed
  return { server: new agents.AgentServer(new agents.ServerOptions(wanted)), socket: wanted.port };
}

// ---- what it says of itself, on loopback

function served(config, server, state, socket) {
  const upstream = () =>
    new Promise((answer) => {
      const asked = http.get({ socketPath: socket, path: "/", timeout: 2000 }, (said) => {
        said.resume();
        answer(said.statusCode === 200);
      });
      asked.on("timeout", () => asked.destroy());
      asked.on("error", () => answer(false));
    });
  const serves = async () => counted.registered > 0 && !state.draining && (await upstream());
  const worker = async () => ({
    agent_name: config.agent_name,
    deployment: config.deployment,
    registered: await serves(),
    draining: state.draining,
    worker_id: server.id,
    active_jobs: jobs.size,
    rooms: [...jobs.values()].map((job) => job.room),
    pending: waiting(),
    jobs_taken: counted.taken,
    jobs_lost: again.lost,
  });
  const metrics = async () =>
    [
      ["registered", "gauge", "1 while LiveKit knows of the worker and it takes jobs", Number(await serves())],
      ["jobs", "gauge", "jobs that run", jobs.size],
      ["jobs_taken_total", "counter", "jobs that were begun", counted.taken],
      ["jobs_lost_total", "counter", "jobs whose process ended before they did", again.lost],
      ["jobs_redispatched_total", "counter", "lost jobs that were dispatched again", again.dispatched],
      ["registrations_total", "counter", "times that LiveKit took the worker in", counted.registered],
    ]
      .map(([name, kind, what, value]) => {
        const full = `livekit_agents_${name}`;
        return `# HELP ${full} ${what}\n# TYPE ${full} ${kind}\n${full} ${value}\n`;
      })
      .join("");
  http
    .createServer(async (request, answer) => {
      const reply = (code, kind, body) => answer.writeHead(code, { "Content-Type": kind }).end(body);
      if (request.url === "/") {
        const well = await serves();
        reply(well ? 200 : 503, "text/plain", well ? "OK" : "not registered");
      } else if (request.url === "/worker") reply(200, "application/json", spaced(await worker()));
      else if (request.url === "/metrics") reply(200, "text/plain; version=0.0.4", await metrics());
      else reply(404, "text/plain", "");
    })
    .listen(config.port, "127.0.0.1");
}

function spaced(said) {
  // as Python writes it: shell on the host looks for `"name": value`
  return `{${Object.entries(said).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`).join(", ")}}`;
}

// ---- until SIGTERM, which comes once; a second one is not heard

async function work(config, server, state) {
  const ended = new Promise((over) => {
    for (const name of ["SIGTERM", "SIGINT"]) process.on(name, () => over(0));
    // One bad answer must not end the worker, whose jobs would end with it: they have their time, then it starts again.
    process.on("uncaughtException", (error) => {
      say.error({ error: last(error) }, "the worker failed");
      over(1);
    });
    process.on("unhandledRejection", (error) => say.error({ error: last(error) }, "nobody waited for this failure"));
  });
  server.event.on("worker_registered", () => {
    counted.registered += 1;
    again.ready();
  });
  const running = server.run().then(
    () => 1,
    (error) => {
      say.error({ error: last(error) }, "the worker failed");
      return 1;
    },
  );
  const status = await Promise.race([running, ended]);
  state.draining = true;
  const drains = status === 1 || existsSync(process.env.LKM_DRAINS ?? "/nowhere");
  const patience = drains ? config.drain_timeout * 1000 : SHORT;
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
  again = new Again(config, process.env.RUNTIME_DIRECTORY, say);
  again.read();
  const { server, socket } = prepared(config, code);
  const state = { draining: false };
  served(config, server, state, socket);
  return work(config, server, state);
}

process.exit(await main(process.argv));
