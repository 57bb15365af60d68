// Jobs that ended before they should have, as in again.py and lkm_rooms.py beside this: counted, and dispatched again where
// somebody waits. Whoever deletes a lost job's dispatch has it: here, or the watcher of the room's host.

import { createHmac } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MOST = 3; // times for a room: a job that ends every worker must not end all of them
const KEPT = 500; // rooms whose times are remembered, the last ones
const PATIENCE = 60000; // ms that LiveKit may be away
const EVERY = 3000; // ms
const ROOM = 0; // JobType.JT_ROOM: a dispatch of the other kinds is for each participant, of whom others may have theirs
const PEOPLE = ["STANDARD", "SIP"];
const NAME = "lk.agent.name"; // attribute of an agent's participant
const KILLED = "a job was lost: its worker ended before it";
const CRASHED = "a job was lost: its process ended before it";
const NOT = "it is not dispatched again: ";
const OVER = `${NOT}its room is over`;

export class Again {
  lost = 0;
  dispatched = 0;
  #jobs = new Map();
  #tried = {};
  #before = [];

  constructor(config, directory, say) {
    Object.assign(this, { config, say, file: directory ? join(directory, "jobs") : "" });
  }

  // What the last worker of this slot left behind: it was killed.
  read() {
    try {
      const said = JSON.parse(readFileSync(this.file, "utf8"));
      [this.#tried, this.#before] = [said.tried ?? {}, said.jobs ?? []];
    } catch {
      return;
    }
    for (const job of this.#before) if (!this.#sends(job)) this.#count(job, KILLED);
  }

  // LiveKit has taken this worker in.
  ready() {
    for (const job of this.#before.splice(0)) this.#begin(job, KILLED); // counted when the watcher has not
  }

  began(job) {
    this.#jobs.set(job.id, job);
    this.#write();
  }

  ended(job, lost) {
    this.#jobs.delete(job.id);
    this.#write();
    if (!lost) return;
    this.#count(job, CRASHED);
    this.#begin(job);
  }

  #count(job, what) {
    this.lost += 1;
    this.say.error({ room: job.room, job_id: job.id }, what);
  }

  #write() {
    if (!this.file) return;
    writeFileSync(`${this.file}.new`, JSON.stringify({ jobs: [...this.#jobs.values()], tried: this.#tried }));
    renameSync(`${this.file}.new`, this.file);
  }

  #sends(job) {
    return Boolean(this.config.redispatch) && !this.config.deployment && job.type === ROOM;
  }

  async #begin(job, uncounted = "") {
    if (!this.#sends(job)) return;
    const room = job.sid || job.room; // a name comes back, for another room
    const { [room]: tried = 0, ...others } = this.#tried;
    this.#tried = Object.fromEntries([...Object.entries(others), [room, Math.min(tried + 1, MOST)]].slice(-KEPT));
    this.#write();
    const where = { room: job.room, job_id: job.id };
    const todo = { ...job, uncounted, may: tried < MOST, onceMore: false };
    for (const end = Date.now() + PATIENCE; ; await new Promise((go) => setTimeout(go, EVERY))) {
      try {
        return this.say.warn(where, await this.#dispatched(todo));
      } catch (error) {
        const over = await this.#over(job).catch(() => false); // then dispatches are answered with 503
        if (!over && Date.now() <= end) continue;
        if (todo.uncounted) this.#count(job, todo.uncounted); // nobody else can have claimed it
        return this.say.warn(where, over ? OVER : `it cannot be dispatched again: ${error}`);
      }
    }
  }

  // `job` keeps what is done: it may have to be asked again.
  async #dispatched(job) {
    const name = this.config.agent_name;
    if (job.dispatch) {
      const gone = await this.#call("AgentDispatchService/DeleteDispatch", job.room, { dispatch_id: job.dispatch });
      if (!gone.id) return `${NOT}somebody else has seen to it`;
    }
    job.dispatch = "";
    if (job.uncounted) this.#count(job, job.uncounted);
    job.uncounted = "";
    if (!job.may) return `${NOT}its job was lost too often`;
    const there = (await this.#call("RoomService/ListParticipants", job.room, {})).participants ?? [];
    if (!there.some((each) => PEOPLE.includes(each.kind ?? "STANDARD"))) return `${NOT}nobody is left in the room`;
    if (await this.#over(job)) return OVER;
    const agents = there.filter((each) => each.kind === "AGENT");
    if (agents.some((each) => each.identity !== job.identity && each.attributes?.[NAME] === name))
      return `${NOT}another agent of the fleet is in the room`;
    if (agents.some((each) => each.identity === job.identity)) // LiveKit has not missed it yet
      await this.#call("RoomService/RemoveParticipant", job.room, { identity: job.identity });
    if (!(job.onceMore && (await this.#sent(job.room, name)))) {
      job.onceMore = true; // nobody knows what comes of it, if this fails
      const wanted = { agent_name: name, metadata: job.metadata };
      await this.#call("AgentDispatchService/CreateDispatch", job.room, wanted);
    }
    this.dispatched += 1;
    return "dispatched again";
  }

  async #over(job) {
    const rooms = (await this.#call("RoomService/ListRooms", job.room, { names: [job.room] })).rooms ?? [];
    return !rooms.some((each) => !job.sid || each.sid === job.sid);
  }

  async #sent(room, name) {
    const found = (await this.#call("AgentDispatchService/ListDispatch", room, {})).agent_dispatches ?? [];
    return found.some((each) => each.agent_name === name);
  }

  // What is not there (any more) has nothing to say.
  async #call(method, room, wanted) {
    const url = `${this.config.ws_url.replace("ws", "http")}/twirp/livekit.${method}`;
    const answer = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Bearer ${this.#token(room)}`, "Content-Type": "application/json" },
      body: JSON.stringify({ room, ...wanted }),
      signal: AbortSignal.timeout(10000),
    });
    if (answer.status === 404) return {};
    if (!answer.ok) throw new Error(`${method}: ${answer.status}`);
    return answer.json();
  }

  #token(room) {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: this.config.api_key, nbf: now - 10, exp: now + 60, video: { roomAdmin: true, roomList: true, room } };
    const coded = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const text = `${coded({ alg: "HS256", typ: "JWT" })}.${coded(claims)}`;
    return `${text}.${createHmac("sha256", this.config.api_secret).update(text).digest("base64url")}`;
  }
}
