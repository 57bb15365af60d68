// What a worker has to do and says of itself, as in told.py beside this: its jobs, and HTTP on loopback.

import http from "node:http";

const LAUNCHED = 30000; // ms after which a job that was accepted and never came is given up

// ---- jobs: each is a process, told by its channel what to do, and telling by it how that went

export const jobs = new Map(); // process -> what it does
const accepted = new Map(); // id of a job that waits for its process -> until when
const counted = { taken: 0, registered: 0 };
let again; // what becomes of those that are lost
let say;

export function begin(lost, logger) {
  [again, say] = [lost, logger];
}

export function watch(child) {
  const send = child.send;
  child.send = function (message, ...rest) {
    if (message?.case === "startJobRequest") {
      const { job, acceptArguments } = message.value.runningJob;
      const identity = acceptArguments?.identity || `agent-${job.id}`;
      const { id, type = 0, dispatchId: dispatch = "", metadata = "" } = job;
      const { name: room = "", sid = "" } = job.room ?? {};
      const begun = { id, room, sid, type, dispatch, metadata, identity };
      jobs.set(child, { ...begun, done: false, begun });
      again.began(begun);
      accepted.delete(id);
      counted.taken += 1;
      say.info({ pid: child.pid, room, job_id: id }, "job started");
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

export function waiting() {
  for (const [id, until] of accepted) if (Date.now() > until) accepted.delete(id);
  return accepted.size;
}

export function accepts(id) {
  accepted.set(id, Date.now() + LAUNCHED);
}

export function registered() {
  counted.registered += 1;
  again.ready();
}

// ---- what it says of itself, on loopback

export function served(config, server, state, socket) {
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
    jobs_redispatched: again.dispatched,
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
