"""What must be true of a catalog, a warehouse and a journal of effects once everything is quiet. It reads rows by SQL and shares no code with
weir. Each function gives the faults that it found, as sentences."""
import collections
import datetime
import json

FINAL = ("succeeded", "failed", "held", "cancelled", "skipped")
TASK_MOVES = {("waiting", "ready"), ("ready", "running"), ("running", "running"), ("running", "ready"), ("running", "succeeded")}

# The database itself writes down each change, in the transaction that makes it: whoever made it, and whether anybody looked.
WATCH = """
CREATE TABLE watched_run (id bigserial, run_id text, old_state text, state text, old_epoch bigint, epoch bigint, old_server text, server text);
CREATE TABLE watched_task (id bigserial, run_id text, task_id text, old_state text, state text, old_attempt bigint, attempt bigint,
  old_epoch bigint, epoch bigint, run_state text, host text, driver_host text);
CREATE FUNCTION watch_run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO watched_run (run_id, old_state, state, old_epoch, epoch, old_server, server)
    VALUES (NEW.run_id, OLD.state, NEW.state, OLD.epoch, NEW.epoch, OLD.server_id, NEW.server_id);
  RETURN NEW; END $$;
CREATE FUNCTION watch_task() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO watched_task (run_id, task_id, old_state, state, old_attempt, attempt, old_epoch, epoch, run_state, host, driver_host)
    SELECT NEW.run_id, NEW.task_id, OLD.state, NEW.state, OLD.attempt, NEW.attempt, OLD.epoch, NEW.epoch, r.state,
      (SELECT host FROM lease WHERE name = 'flow_run:' || NEW.run_id || ':' || NEW.task_id),
      (SELECT host FROM lease WHERE name = 'server:' || r.server_id)
    FROM flow_run r WHERE r.run_id = NEW.run_id;
  RETURN NEW; END $$;
CREATE TRIGGER watch_run AFTER UPDATE ON flow_run FOR EACH ROW EXECUTE FUNCTION watch_run();
CREATE TRIGGER watch_task AFTER UPDATE ON task_run FOR EACH ROW EXECUTE FUNCTION watch_task();
"""


def effects(journal):
    """By run and task: the attempts, each {attempt, pid, begin, end, stop} with times in seconds of the monotonic clock."""
    found = collections.defaultdict(list)
    if not journal.exists():
        return found
    for line in journal.read_text().splitlines():
        what, run_id, task_id, attempt, pid, at_us = line.split()
        attempts = found[run_id, task_id]
        if what == "begin":
            attempts.append({"attempt": int(attempt), "pid": int(pid), "begin": int(at_us) / 1e6})
            continue
        own = [each for each in attempts if each["attempt"] == int(attempt) and each["pid"] == int(pid) and "end" not in each]
        own[-1][what] = int(at_us) / 1e6
    return found


def wished(scene, keys_of_flow):
    """Every wished run is there once, and no other; `keys_of_flow`: flow → set of run keys, or a number of files."""
    there = collections.defaultdict(list)
    for flow, key, params in scene.sql("SELECT flow_id, run_key, replace(params, '|', '/') FROM flow_run"):
        there[flow].append((key, params))
    wrong = []
    for flow, wanted in keys_of_flow.items():
        keys = [key for key, _ in there[flow]]
        if len(keys) != len(set(keys)):
            wrong.append(f"flow {flow} has a run key twice")
        if isinstance(wanted, set):
            wrong += [f"run {key} of {flow} was lost" for key in sorted(wanted - set(keys))]
            wrong += [f"nobody wished run {key} of {flow}" for key in sorted(set(keys) - wanted)]
            continue
        files = [json.loads(params)["trigger.file"] for _, params in there[flow]]
        if len(files) != wanted or len(set(files)) != wanted:
            wrong.append(f"flow {flow} got {wanted} files, its runs are about {sorted(files)}")
    wrong += [f"flow {flow} ran, and nobody wished it" for flow in set(there) - set(keys_of_flow)]
    return wrong


def scheduled_keys(start_s, end_s, every_s):
    """Both ends inclusive."""
    return {"scheduled:" + datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            for at in range(start_s, end_s + 1, every_s)}


def states(scene):
    """Everything succeeded, in order, and nobody holds anything any more but living servers."""
    wrong = [f"{count} runs are {state}: {text}" for state, text, count in scene.sql(
        "SELECT state, min(replace(error_text, '|', '/')), count(*) FROM flow_run WHERE state <> 'succeeded' GROUP BY 1")]
    wrong += [f"{count} tasks are {state}: {text}" for state, text, count in scene.sql(
        "SELECT state, min(replace(error_text, '|', '/')), count(*) FROM task_run WHERE state <> 'succeeded' GROUP BY 1")]
    wrong += [f"run {run} has its times in disorder" for run, in scene.sql(
        "SELECT run_id FROM flow_run WHERE started_at_us IS NULL OR finished_at_us IS NULL OR started_at_us < created_at_us "
        "OR finished_at_us < started_at_us")]
    wrong += [f"task {task} of {run} has its times in disorder" for run, task in scene.sql(
        "SELECT t.run_id, t.task_id FROM task_run t JOIN flow_run r USING (run_id) WHERE t.started_at_us IS NULL OR t.finished_at_us IS NULL "
        "OR t.finished_at_us < t.started_at_us OR t.started_at_us < r.started_at_us OR t.finished_at_us > r.finished_at_us")]
    wrong += [f"task {task} of {run} began before {need} had ended" for run, task, need in scene.sql(
        "SELECT t.run_id, t.task_id, n.task_id FROM task_run t JOIN flow_run r USING (run_id) "
        "JOIN task_dependency d ON d.flow_id = r.flow_id AND d.task_id = t.task_id "
        "JOIN task_run n ON n.run_id = t.run_id AND n.task_id = d.needs_task_id WHERE t.started_at_us < n.finished_at_us")]
    wrong += [f"flow {flow} had two of its runs under way at once" for flow, in scene.sql(
        "SELECT DISTINCT a.flow_id FROM flow_run a JOIN flow_run b ON a.flow_id = b.flow_id AND a.run_id < b.run_id "
        "AND a.started_at_us < b.finished_at_us AND b.started_at_us < a.finished_at_us")]
    return wrong


def leases(scene, living_pids):
    """Call it once the longest lease is over since everything became quiet."""
    held = scene.sql("SELECT name, pid FROM lease WHERE expires_at_us > EXTRACT(EPOCH FROM clock_timestamp()) * 1000000")
    wrong = [f"lease {name} of process {pid} lives on" for name, pid in held
             if not name.startswith("server:") or int(pid) not in living_pids]
    servers = [pid for name, pid in held if name.startswith("server:")]
    if sorted(map(int, servers)) != sorted(living_pids):
        wrong.append(f"servers {sorted(living_pids)} live, and these have a lease: {servers}")
    return wrong


def attempts(scene, grace_s):
    """Effects without a token: an attempt begins once, the last of a task is the one that the catalog calls its success, and what began beside
    or after another is explained by a fault that befell the other's process or the database. The second value counts what was explained."""
    wrong, explained = [], collections.Counter()
    stored = {(run, task): int(attempt) for run, task, attempt in scene.sql(
        "SELECT run_id, task_id, attempt FROM task_run WHERE template_id = 'record_effect'")}
    seen = effects(scene.journal)
    for key in stored.keys() | seen.keys():
        rows = sorted(seen.get(key, []), key=lambda each: each["begin"])
        numbers = [each["attempt"] for each in rows]
        if key not in stored:
            wrong.append(f"task {key} had an effect and is not in the catalog")
            continue
        if len(set(numbers)) != len(numbers):
            wrong.append(f"task {key}: an attempt began twice: {rows}")
        if numbers != sorted(numbers):
            wrong.append(f"task {key}: attempts began out of order: {rows}")
        if not rows or rows[-1]["attempt"] != stored[key] or "end" not in rows[-1]:
            wrong.append(f"task {key}: succeeded with attempt {stored[key]}, its effects: {rows}")
        for one, next_one in zip(rows, rows[1:]):
            after = max(one.get("end", 0), one.get("stop", 0))
            kind = "beside" if after > next_one["begin"] else "after its end" if "end" in one else "after its break"
            if kind != "after its break" or next_one["begin"] - one["begin"] > 0:
                why = fault_of(scene, one["pid"], one["begin"], next_one["begin"], grace_s, kind)
                explained[kind, why] += 1
                if why is None:
                    wrong.append(f"task {key}: attempt {next_one['attempt']} began {kind} of {one['attempt']}, and nothing had happened: {rows}")
    return wrong, explained


def fault_of(scene, pid, since, until, grace_s, kind):
    """What befell the process of an attempt, or the database, since it began. Beside a living one only who was stopped, or cut off from the
    database for as long as its lease, is overtaken."""
    for fault in sorted(scene.faults, key=lambda each: each["pid"] != pid):
        is_then = fault["from"] <= until and fault["to"] >= since - grace_s
        if not is_then:
            continue
        if fault["pid"] == pid and (kind != "beside" or fault["kind"].startswith("stop")):
            return fault["kind"]
        if fault["pid"] == 0 and kind != "beside":
            return fault["kind"]
        if kind == "beside" and fault["kind"] == "database" and fault["to"] - fault["from"] > scene.lease_s / 2:
            return "database away"
    return None


def changes(scene):
    """By what the database wrote down: an epoch of a run is one server's, what has ended stays so, and an attempt begins under who drives the
    run at that moment."""
    wrong, drivers, runs = [], collections.defaultdict(set), 0
    for run, old_state, state, old_epoch, epoch, old_server, server in scene.sql(
            "SELECT run_id, old_state, state, old_epoch, epoch, old_server, server FROM watched_run ORDER BY id"):
        runs += 1
        drivers[run, epoch].add(server)
        if int(epoch) < int(old_epoch) or (server != old_server) != (epoch != old_epoch):
            wrong.append(f"run {run} went from server {old_server} (epoch {old_epoch}) to {server} (epoch {epoch})")
        if old_state in FINAL:
            wrong.append(f"run {run} was {old_state} and became {state}")
    wrong += [f"run {run} was driven under epoch {epoch} by {servers}" for (run, epoch), servers in drivers.items() if len(servers) > 1]
    for run, task, old_state, state, old_attempt, attempt, old_epoch, epoch, run_state, host, driver_host in scene.sql(
            "SELECT run_id, task_id, old_state, state, old_attempt, attempt, old_epoch, epoch, run_state, host, driver_host FROM watched_task ORDER BY id"):
        begins = (old_state, state) == ("ready", "running")
        is_good = (old_state, state) in TASK_MOVES and int(attempt) == int(old_attempt) + begins and (epoch != old_epoch) == begins \
            and int(epoch) >= int(old_epoch)
        if not is_good:
            wrong.append(f"task {task} of {run} went from {old_state} (attempt {old_attempt}, epoch {old_epoch}) to {state} ({attempt}, {epoch})")
        if begins and (host != driver_host or run_state != "running"):
            wrong.append(f"task {task} of {run} began on host {host}; the run was {run_state}, its driver on host {driver_host}")
    return wrong if runs else ["the database wrote down no change"]


def warehouse(scene, ids_of_table):
    """Every row that landed is loaded once."""
    wrong = []
    for table, ids in ids_of_table.items():
        there = sorted(int(row[0]) for row in scene.sql(f"SELECT id FROM {table}", scene.warehouse))
        if there != sorted(ids):
            twice = sorted(set(each for each in there if there.count(each) > 1))
            wrong.append(f"table {table}: {len(there)} rows, {len(ids)} landed; twice {twice[:5]}, lost {sorted(set(ids) - set(there))[:5]}")
    return wrong
