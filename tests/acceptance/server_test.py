"""The server: who may do what to what, over every route of its own table; and what attackers try."""
import json
import re
import subprocess
import time
import unittest

from server_client import Reply, Server, add_token, add_user
from weir_project import A, Project, canary

import api_judges  # noqa: E402, its folder is known by then

ROLES = ["viewer", "operator", "developer", "admin"]
PASSWORD = "four horses under a lamp"
# What changes something, and from which role on: written down a second time, so that a slip in the table is seen.
CHANGES = {
    "take_arrivals": "operator", "take_arrivals_of_flow": "operator",
    "start_run": "operator", "pause_flow": "operator", "resume_flow": "operator", "retry_run": "operator",
    "cancel_run": "operator", "approve_hold": "operator", "reject_hold": "operator", "plan_configuration": "developer",
    "apply_configuration": "developer", "sign_in": None, "sign_out": None,
    "create_user": "admin", "set_user_grants": "admin", "set_user_password": "admin", "disable_user": "admin", "enable_user": "admin",
    "remove_user": "admin", "change_own_password": None, "create_token": None, "revoke_token": None,
}
# Whoever is signed in may ask: what they may do with whose is judged behind the gate, and has tests of its own.
OWN = {"change_own_password", "create_token", "revoke_token"}
OPEN = {"get_health", "get_readiness", "sign_in"}
BODIES = {"take_arrivals": {"file": "landing/none.csv"}, "take_arrivals_of_flow": {"file": "landing/none.csv"}, "start_run": {}, "retry_run": {}, "plan_configuration": {}, "apply_configuration": {"hash": "0" * 64},
          "sign_in": {"user": "nobody", "password": "x"},
          "create_user": {"user": "matrix"}, "create_token": {"name": "matrix"}, "set_user_grants": {"grants": []}, "set_user_password": {"password": "five lamps under a horse"}}
HOLD_SALES, HOLD_SHOP, NO_TOKEN = "a" * 64, "b" * 64, "c" * 64


def run_of(project, flow):
    return project.sqlite("SELECT run_id FROM flow_run WHERE flow_id = ? ORDER BY created_at_us DESC", flow)[0][0]


class Shared:
    """One project and one server for all tests: two flows that ran, each with a hold and rejected rows."""
    project = server = None

    @classmethod
    def open(cls):
        if cls.project:
            return
        canary.watch(PASSWORD)
        cls.project = project = Project()
        project.land("customers-20240101.csv", A)
        project.land("sales/1.csv", "id,amount\n1,10.50\n2,ten\n")
        project.run("sales")
        project.run("shop")
        cls.sales, cls.shop = run_of(project, "sales"), run_of(project, "shop")
        for token, run in ((HOLD_SALES, cls.sales), (HOLD_SHOP, cls.shop)):
            project.sqlite("INSERT INTO hold (token, run_id, task_id, target, reason, message, created_at_us) "
                           "VALUES (?, ?, 'ingest', 'raw.x', 'empty_snapshot', 'it is empty', 1)", token, run)
        project.sqlite("INSERT INTO rejected_rows (run_id, task_id, token, reason, row_count, dataset) "
                       "VALUES (?, 'ingest', 't', 'bad', 3, 'raw.x__rejected')", cls.shop)
        cls.tokens = {}
        for role in ROLES:
            for flows, mark in (("*", "all"), ("sal*", "sales")):
                add_user(project, f"{role}_{mark}", role, flows)
                cls.tokens[role, mark] = add_token(project, f"{role}_{mark}")
        add_user(project, "mixed", "viewer")  # Sees all flows, and operates some.
        project.weir("user", "grant", "mixed", "--role", "operator", "--flows", "sal*")
        cls.tokens["mixed", "all"] = add_token(project, "mixed")
        add_user(project, "ann", "admin", password=PASSWORD)
        add_user(project, "guest", "viewer")
        add_user(project, "stranger", "viewer")
        cls.tokens["none", "all"] = add_token(project, "stranger")
        project.weir("user", "revoke", "stranger", "--flows", "*")
        cls.server = Server(project)
        cls.document = cls.server.ask("GET", "/v1/openapi.json", cls.tokens["viewer", "all"]).json

    @classmethod
    def close(cls):
        if cls.project:
            cls.server.close()
            cls.project.close()


def tearDownModule():
    Shared.close()


class ServerCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Shared.open()

    def setUp(self):
        self.project, self.server, self.tokens = Shared.project, Shared.server, Shared.tokens
        self.admin = self.tokens["admin", "all"]

    def routes(self):
        for path, methods in Shared.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def ask(self, *words, **more):
        return self.server.ask(*words, **more)

    def problem(self, reply, status, code=None):
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
        if code:
            self.assertEqual(reply.json["code"], code)
        self.assertEqual(reply.json["status"], status)
        return reply.json


class Matrix(ServerCase):
    """Every route x every caller x own, foreign and missing objects."""

    def objects(self, path):
        """Paths of the route by whose they are: `sales` is of the flows `sal*`, `shop` is not."""
        if "{flow_id}" in path:
            names = {"own": "sales", "foreign": "shop", "missing": "nothing"}
        elif "{run_id}" in path:
            names = {"own": Shared.sales, "foreign": Shared.shop, "missing": "01a21f8c-6557-7d86-a59d-7656a1b3520c"}
        elif "{token}" in path:
            names = {"own": HOLD_SALES, "foreign": HOLD_SHOP, "missing": NO_TOKEN}
        elif "{dataset}" in path:
            names = {"own": "raw.sales", "foreign": "stage.customers", "missing": "raw.nothing"}
        elif "{template_id}" in path:
            names = {"own": "ingest_files"}
        elif "{user_name}" in path:
            names = {"own": "guest"}
        elif "{token_id}" in path:
            names = {"own": "01a21f8c-6557-7d86-a59d-7656a1b3520d"}
        elif "{hash}" in path:
            names = {"own": self.project.sqlite("SELECT hash FROM config_version")[0][0]}
        else:
            names = {"own": ""}
        return {kind: (re.sub(r"\{\w+\}", name, path), name) for kind, name in names.items()}

    def expected(self, operation, role, mark, kind):
        """The status that the caller must get, or "in"."""
        if operation["x-weir-access"] in ("open", "sign_in"):
            return "in"
        if role is None:
            return 401
        if operation["x-weir-access"] == "account":
            return "in"
        if role == "mixed":
            if operation["x-weir-object"] in ("server", "flows"):
                return "in" if operation["x-weir-role"] == "viewer" else 403
            if operation["x-weir-role"] in ("developer", "admin"):
                return 403
            if kind == "missing" and (operation["x-weir-object"] != "flow" or operation["x-weir-role"] == "viewer"):
                return 404  # Whether a flow is there is asked once they may.
            return "in" if kind == "own" or operation["x-weir-role"] == "viewer" else 403
        has_role = role in ROLES and ROLES.index(role) >= ROLES.index(operation["x-weir-role"])
        if not has_role and (role not in ROLES or operation["x-weir-object"] in ("server", "flows")):
            return 403
        if operation["x-weir-object"] == "server":
            return "in" if mark == "all" else 403
        if operation["x-weir-object"] == "flows":
            return "in"
        if not has_role:
            return 403  # before anything is looked up
        if kind == "missing" or (kind == "foreign" and mark != "all"):
            return 404
        return "in"

    def test_every_route_with_every_role_on_own_and_foreign_objects(self):
        callers = [(None, None)] + [key for key in self.tokens if key[1] in ("all", "sales")]
        counted, seen = 0, set()
        for method, path, operation in self.routes():
            for kind, (address, name) in self.objects(path).items():
                for role, mark in callers:
                    if operation["operationId"] in ({"follow_logs", "sign_in", "approve_hold", "reject_hold", "remove_user"} | OWN) and \
                            self.expected(operation, role, mark, kind) == "in":
                        continue  # each has a test of its own
                    expected = self.expected(operation, role, mark, kind)
                    reply = self.ask(method, address, self.tokens.get((role, mark)), body=BODIES.get(operation["operationId"]))
                    counted += 1
                    seen.add(operation["operationId"])
                    with self.subTest(operation=operation["operationId"], role=role, flows=mark, object=kind):
                        if expected == "in":
                            self.assertNotIn(reply.status, (401, 403, 404, 405), reply)
                        else:
                            self.problem(reply, expected)
                        if expected in (401, 403, 404) and kind == "foreign":
                            self.assertNotIn("customers", reply.body.decode().replace(name, ""), "it tells of what it hides")
        print(f"matrix: {counted} requests over {len(seen)} routes")
        self.assertGreater(counted, 500)

    def test_a_foreign_object_is_refused_in_the_words_of_a_missing_one(self):
        token = self.tokens["admin", "sales"]
        for method, path, operation in self.routes():
            objects = self.objects(path)
            if "foreign" not in objects:
                continue
            texts = []
            for kind in ("foreign", "missing"):
                address, name = objects[kind]
                reply = self.ask(method, address, token, body=BODIES.get(operation["operationId"]))
                told = reply.json
                told.pop("request_id")
                texts.append(json.dumps(told).replace(name, "NAME"))
            self.assertEqual(texts[0], texts[1], operation["operationId"])

    def test_the_table_asks_for_the_roles_that_are_written_down_here(self):
        table = {operation["operationId"]: operation.get("x-weir-role")
                 for method, _, operation in self.routes() if method != "GET"}
        self.assertEqual(table, CHANGES)
        reading = {operation["operationId"]: operation for method, _, operation in self.routes() if method == "GET"}
        self.assertEqual({name for name, each in reading.items() if each["x-weir-access"] == "open"}, OPEN - {"sign_in"})
        self.assertEqual({name for name, each in reading.items() if each["x-weir-access"] == "account"}, {"get_openapi", "get_account", "list_tokens"})
        self.assertEqual({reading[name]["x-weir-role"] for name in ("list_users", "get_user")}, {"admin"})
        self.assertEqual(reading["list_audit"]["x-weir-role"], "admin")
        self.assertEqual(reading["get_configuration"]["x-weir-role"], "developer")

    def test_lists_hold_what_the_caller_may_see_and_nothing_else(self):
        token, everything = self.tokens["viewer", "sales"], self.tokens["viewer", "all"]
        self.assertEqual([flow["flow_id"] for flow in self.ask("GET", "/v1/flows", token).json["flows"]], ["sales"])
        self.assertEqual({run["flow_id"] for run in self.ask("GET", "/v1/runs", token).json["runs"]}, {"sales"})
        self.assertEqual(self.ask("GET", "/v1/runs?flow_id=shop", token).json["runs"], [])
        self.assertEqual([hold["token"] for hold in self.ask("GET", "/v1/holds?state=open", token).json["holds"]], [HOLD_SALES])
        rejected = self.ask("GET", "/v1/rejected_rows", token).json["rejected_rows"]
        self.assertEqual({row["flow_id"] for row in rejected}, {"sales"})
        datasets = [line["dataset"] for line in self.ask("GET", "/v1/datasets", token).json["datasets"]]
        self.assertIn("raw.sales", datasets)
        self.assertNotIn("raw.customers", datasets)
        datasets = [line["dataset"] for line in self.ask("GET", "/v1/datasets", everything).json["datasets"]]
        self.assertIn("raw.customers", datasets)
        self.assertEqual(len(self.ask("GET", "/v1/holds?state=open", everything).json["holds"]), 2)

    def test_a_token_does_no_more_than_its_limit(self):
        less = add_token(self.project, "admin_all", "less", role="viewer", flows="sales")
        self.assertEqual(self.ask("GET", f"/v1/runs/{Shared.sales}", less).status, 200)
        self.problem(self.ask("GET", f"/v1/runs/{Shared.shop}", less), 404)
        self.problem(self.ask("POST", f"/v1/runs/{Shared.sales}/cancel", less), 403)
        self.problem(self.ask("GET", "/v1/audit", less), 403)
        # A limit above what the account may gives nothing.
        more = add_token(self.project, "viewer_sales", "more", role="admin", flows="*")
        self.problem(self.ask("GET", f"/v1/runs/{Shared.shop}", more), 404)
        self.problem(self.ask("POST", f"/v1/runs/{Shared.sales}/cancel", more), 403)

    def test_revoked_expired_and_invented_tokens_are_refused(self):
        add_user(self.project, "gone", "viewer")
        token = add_token(self.project, "gone")
        self.assertEqual(self.ask("GET", "/v1/flows", token).status, 200)
        identity = json.loads(self.project.weir("--output", "json", "token", "list").stdout)["tokens"]
        identity = next(each["token_id"] for each in identity if each["user"] == "gone")
        self.project.weir("token", "revoke", identity)
        self.problem(self.ask("GET", "/v1/flows", token), 401)
        short = add_token(self.project, "gone", "short", lasts="1ms")
        self.problem(self.ask("GET", "/v1/flows", short), 401)
        left = add_token(self.project, "gone", "left")
        self.project.weir("user", "remove", "gone")
        self.problem(self.ask("GET", "/v1/flows", left), 401)
        for invented in ("weir_pat_" + "A" * 43, "x", "weir_pat_", "' OR 1=1 --"):
            self.problem(self.ask("GET", "/v1/flows", invented), 401)
        self.problem(self.ask("GET", "/v1/flows", headers={"Authorization": "Basic YW5uOng="}), 401)


class AccountsByApi(ServerCase):
    """Who may do what with whose accounts and tokens; the last who administers stays."""

    def setUp(self):
        super().setUp()
        self.words = {}

    def sign_in(self, name, password):
        reply = self.ask("POST", "/v1/session", body={"user": name, "password": password})
        self.assertEqual(reply.status, 200, reply)
        return {"Cookie": reply.headers["Set-Cookie"].split(";")[0], "Sec-Fetch-Site": "same-origin"}

    def make(self, name, role="viewer", flows="*", password="nine green boats at noon"):
        canary.watch(password)
        body = {"user": name, "grants": [{"flows": flows, "role": role}]}
        if password:
            body["password"] = password
        reply = self.ask("POST", "/v1/users", self.admin, body=body)
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.headers["Location"], f"/v1/users/{name}")
        self.assertNotIn(password, reply.body.decode())
        return self.sign_in(name, password)

    def audit(self, action):
        return self.project.sqlite("SELECT author, details FROM audit_log WHERE action = ? ORDER BY audit_log_id DESC LIMIT 1", action)[0]

    def test_an_account_from_its_making_to_its_end(self):
        cookie = self.make("eve")
        self.assertEqual(self.ask("GET", "/v1/flows", headers=cookie).status, 200)
        author, details = self.audit("user.add")
        self.assertEqual((author, json.loads(details)["user"]), ("admin_all, token test", "eve"))
        shown = self.ask("GET", "/v1/users/eve", self.admin).json
        self.assertEqual((shown["grants"], shown["has_password"], shown["is_enabled"]), ([{"flows": "*", "role": "viewer"}], True, True))
        self.assertNotIn("argon2", self.ask("GET", "/v1/users", self.admin).body.decode())
        self.problem(self.ask("POST", "/v1/users", self.admin, body={"user": "eve"}), 409, "already_exists")
        reply = self.ask("POST", "/v1/users/eve/grants", self.admin, body={"grants": [{"flows": "sal*", "role": "operator"}]})
        self.assertEqual(reply.json["grants"], [{"flows": "sal*", "role": "operator"}])
        self.problem(self.ask("GET", "/v1/flows/shop", headers=cookie), 404)
        token = self.ask("POST", "/v1/tokens", headers=cookie, body={"name": "own"}).json["token"]
        self.assertEqual(self.ask("GET", "/v1/flows", token).status, 200)
        self.assertEqual(self.ask("POST", "/v1/users/eve/disable", self.admin).status, 204)
        self.problem(self.ask("GET", "/v1/flows", headers=cookie), 401)
        self.problem(self.ask("GET", "/v1/flows", token), 401)
        self.problem(self.ask("POST", "/v1/session", body={"user": "eve", "password": "nine green boats at noon"}), 401)
        self.assertEqual(self.ask("POST", "/v1/users/eve/enable", self.admin).status, 204)
        self.assertEqual(self.ask("GET", "/v1/flows", token).status, 200)
        self.problem(self.ask("GET", "/v1/flows", headers=cookie), 401)  # Its sessions had ended.
        self.assertEqual(self.ask("DELETE", "/v1/users/eve", self.admin).status, 204)
        self.problem(self.ask("GET", "/v1/flows", token), 401)
        for method, path in (("GET", "/v1/users/eve"), ("DELETE", "/v1/users/eve"), ("POST", "/v1/users/eve/disable"), ("POST", "/v1/users/eve/enable")):
            self.problem(self.ask(method, path, self.admin), 404, "not_found")
        self.problem(self.ask("POST", "/v1/users/eve/password", self.admin, body={"password": "nine green boats at noon"}), 404)
        self.problem(self.ask("POST", "/v1/users/eve/grants", self.admin, body={"grants": []}), 404)

    def test_bad_accounts_are_refused_in_the_words_of_the_program(self):
        for body, word in (({"user": "x/y"}, "x/y"), ({"user": ""}, "user"),
                           ({"user": "fay", "grants": [{"flows": "a*b", "role": "viewer"}]}, "a*b"),
                           ({"user": "fay", "grants": [{"flows": "*", "role": "viewer"}, {"flows": "*", "role": "admin"}]}, "two roles"),
                           ({"user": "fay", "grants": [{"flows": "*", "role": "root"}]}, "role"), ({"user": "fay", "password": "short"}, ""),
                           ({"user": "fay", "is_admin": True}, "is_admin"), ({}, "user")):
            reply = self.ask("POST", "/v1/users", self.admin, body=body)
            self.assertIn(reply.status, (400, 422), reply)
            self.assertIn(word, reply.body.decode())
        self.assertEqual(self.project.sqlite("SELECT count(*) FROM user_account WHERE user_name = 'fay'")[0][0], 0)
        many = [{"flows": f"f{n}", "role": "viewer"} for n in range(65)]
        self.assertIn(self.ask("POST", "/v1/users", self.admin, body={"user": "fay", "grants": many}).status, (400, 422))

    def test_passwords_are_changed_by_their_owner_or_an_administrator(self):
        cookie = self.make("gil")
        for word in ("ten grey owls in a tree", "six red kites at sea"):
            canary.watch(word)
        change = {"current_password": "nine green boats at noon", "password": "ten grey owls in a tree"}
        self.problem(self.ask("POST", "/v1/session/password", headers=cookie, body={**change, "current_password": "wrong"}), 403, "denied")
        token = self.ask("POST", "/v1/tokens", headers=cookie, body={"name": "own"}).json["token"]
        self.problem(self.ask("POST", "/v1/session/password", token, body=change), 403, "denied")
        self.problem(self.ask("POST", "/v1/session/password", headers={"Cookie": cookie["Cookie"]}, body=change), 403)  # No proof of origin.
        self.assertEqual(self.ask("POST", "/v1/session/password", headers=cookie, body=change).status, 204)
        self.problem(self.ask("GET", "/v1/flows", headers=cookie), 401)
        cookie = self.sign_in("gil", change["password"])
        self.problem(self.ask("POST", "/v1/users/gil/password", headers=cookie, body={"password": "six red kites at sea"}), 403)
        self.assertEqual(self.ask("POST", "/v1/users/gil/password", self.admin, body={"password": "six red kites at sea"}).status, 204)
        self.problem(self.ask("GET", "/v1/flows", headers=cookie), 401)
        self.sign_in("gil", "six red kites at sea")
        self.assertEqual(self.audit("user.password")[0], "admin_all, token test")
        self.ask("DELETE", "/v1/users/gil", self.admin)

    def test_tokens_are_of_who_made_them(self):
        cookie = self.make("hal", "operator")
        reply = self.ask("POST", "/v1/tokens", headers=cookie, body={"name": "night", "role": "admin", "lasts": "1d"})
        self.assertEqual(reply.status, 201, reply)
        made = reply.json
        self.assertTrue(made["token"].startswith("weir_pat_"))
        self.problem(self.ask("GET", "/v1/users", made["token"]), 403)  # No more than the account may.
        self.assertEqual([(each["name"], each["user"]) for each in self.ask("GET", "/v1/tokens", made["token"]).json["tokens"]], [("night", "hal")])
        self.assertNotIn(made["token"][16:], self.ask("GET", "/v1/tokens", self.admin).body.decode())
        self.assertIn("hal", {each["user"] for each in self.ask("GET", "/v1/tokens", self.admin).json["tokens"]})
        self.problem(self.ask("POST", "/v1/tokens", headers=cookie, body={"name": "night"}), 409, "already_exists")
        self.problem(self.ask("POST", "/v1/tokens", headers=cookie, body={"name": "x", "user": "ann"}), 403, "denied")
        self.problem(self.ask("POST", "/v1/tokens", made["token"], body={"name": "more"}), 403, "denied")
        self.assertIn(self.ask("POST", "/v1/tokens", headers=cookie, body={"name": "x", "lasts": "soon"}).status, (400, 422))
        foreign = next(each for each in self.ask("GET", "/v1/tokens", self.admin).json["tokens"] if each["user"] == "viewer_all")["token_id"]
        answers = []
        for identity in (foreign, "01a21f8c-6557-7d86-a59d-7656a1b3520e"):
            told = self.problem(self.ask("DELETE", f"/v1/tokens/{identity}", headers=cookie), 404)
            told.pop("request_id")
            answers.append(json.dumps(told).replace(identity, "ID"))
        self.assertEqual(answers[0], answers[1], "whether it is there is told to nobody")
        self.assertEqual(self.ask("GET", "/v1/flows", self.tokens["viewer", "all"]).status, 200)
        self.assertEqual(self.ask("DELETE", f"/v1/tokens/{made['token_id']}", made["token"]).status, 204)
        self.problem(self.ask("GET", "/v1/flows", made["token"]), 401)
        of_other = self.ask("POST", "/v1/tokens", self.admin, body={"name": "by admin", "user": "hal", "flows": "sal*", "lasts": "never"}).json
        self.assertIsNone(of_other["expires_at"])
        self.problem(self.ask("GET", "/v1/flows/shop", of_other["token"]), 404)
        self.assertEqual(self.ask("DELETE", f"/v1/tokens/{of_other['token_id']}", self.admin).status, 204)
        self.problem(self.ask("POST", "/v1/tokens", self.admin, body={"name": "x", "user": "nobody"}), 404)
        self.assertEqual(self.audit("token.revoke")[0], "admin_all, token test")
        self.ask("DELETE", "/v1/users/hal", self.admin)

    def test_one_who_administers_some_flows_administers_no_accounts(self):
        some = self.tokens["admin", "sales"]
        self.problem(self.ask("GET", "/v1/users", some), 403)
        self.problem(self.ask("POST", "/v1/users", some, body={"user": "ivy"}), 403)
        self.assertEqual({each["user"] for each in self.ask("GET", "/v1/tokens", some).json["tokens"]}, {"admin_sales"})

    def test_the_last_who_administers_stays(self):
        # ann and admin_all may; the third, whom nothing lets in, does not count.
        self.make("jan", "admin")
        self.assertEqual(self.ask("POST", "/v1/users/jan/disable", self.admin).status, 204)
        self.assertEqual(self.ask("POST", "/v1/users/ann/disable", self.admin).status, 204)
        try:
            lost = [("DELETE", "/v1/users/admin_all", None), ("POST", "/v1/users/admin_all/disable", None),
                    ("POST", "/v1/users/admin_all/grants", {"grants": [{"flows": "sal*", "role": "admin"}, {"flows": "*", "role": "developer"}]}),
                    ("POST", "/v1/users/admin_all/grants", {"grants": []})]
            for method, path, body in lost:
                told = self.problem(self.ask(method, path, self.admin, body=body), 409, "conflict")
                self.assertIn("the last who may administer", told["detail"])
            for words in (("user", "remove", "admin_all"), ("user", "disable", "admin_all"), ("user", "revoke", "admin_all"),
                          ("user", "grant", "admin_all", "--role", "viewer")):
                self.assertIn("the last who may administer", self.project.weir(*words, expect=None).stderr)
            self.assertEqual(self.ask("GET", "/v1/users", self.admin).status, 200)
        finally:
            self.ask("POST", "/v1/users/ann/enable", self.admin)
            self.ask("DELETE", "/v1/users/jan", self.admin)


class Answers(ServerCase):
    def test_pages_give_every_run_once(self):
        run = self.project.sqlite("SELECT * FROM flow_run WHERE flow_id = 'sales'")[0]
        columns = [row[1] for row in self.project.sqlite("PRAGMA table_info(flow_run)")]
        row = dict(zip(columns, run))
        for number in range(25):  # Ten of them at one moment.
            row |= {"run_id": f"00000000-0000-7000-8000-{number:012d}", "run_key": f"page:{number}", "created_at_us": 1000 + min(number, 15)}
            self.project.sqlite(f"INSERT INTO flow_run ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())
        found, address = [], "/v1/runs?limit=7&flow_id=sales"
        cursor = ""
        while True:
            page = self.ask("GET", address + cursor, self.admin).json
            found += [each["run_id"] for each in page["runs"]]
            if page["next"] is None:
                break
            cursor = "&cursor=" + page["next"]
        self.assertEqual(len(found), len(set(found)))
        self.assertEqual(len(found), self.project.sqlite("SELECT count(*) FROM flow_run WHERE flow_id = 'sales'")[0][0])
        self.project.sqlite("DELETE FROM flow_run WHERE run_key LIKE 'page:%'")

    def test_flows_come_in_pages(self):
        first = self.ask("GET", "/v1/flows?limit=1", self.admin).json
        second = self.ask("GET", f"/v1/flows?limit=1&cursor={first['next']}", self.admin).json
        self.assertEqual([first["flows"][0]["flow_id"], second["flows"][0]["flow_id"]], ["sales", "shop"])
        self.assertEqual(first["flows"][0]["last_run"]["state"], "succeeded")
        third = self.ask("GET", f"/v1/flows?limit=1&cursor={second['next']}", self.admin).json
        self.assertEqual(third, {"flows": [], "next": None})

    def test_a_run_shows_its_tasks_counts_and_rejected_rows(self):
        tasks = self.ask("GET", f"/v1/runs/{Shared.sales}/tasks", self.admin).json["tasks"]
        self.assertEqual([(task["task_id"], task["state"], task["counts"]["in"]) for task in tasks], [("ingest", "succeeded", 2)])
        rows = self.ask("GET", f"/v1/runs/{Shared.sales}/rejected_rows", self.admin).json["rejected_rows"]
        self.assertEqual(sum(row["rows"] for row in rows), 1)
        hops = self.ask("GET", f"/v1/runs/{Shared.sales}/reconciliations", self.admin).json["reconciliations"]
        self.assertTrue(all(hop["is_closed"] for hop in hops) and hops)
        dataset = self.ask("GET", "/v1/datasets/raw.sales", self.admin).json
        self.assertEqual(dataset["publication_count"], 1)
        self.assertEqual(dataset["publications"][0]["run_id"], Shared.sales)

    def read_until(self, answer, told, word):
        deadline = time.monotonic() + 20
        while not any(word in line for line in told):
            self.assertLess(time.monotonic(), deadline, f"no {word!r} in {told}")
            told.append(answer.readline().decode())

    def test_logs_are_followed_until_the_run_ends(self):
        run = self.project.sqlite("SELECT run_id FROM flow_run WHERE run_id = ?", Shared.sales)[0][0]
        self.project.sqlite("UPDATE flow_run SET state = 'running' WHERE run_id = ?", run)
        add = "INSERT INTO task_log (run_id, task_id, attempt, at_us, level, message) VALUES (?, 'ingest', 1, ?, 'info', ?)"
        now = int(time.time() * 1e6)
        self.project.sqlite(add, run, now, "one")
        line = self.server.connect()
        line.request("GET", f"/v1/runs/{run}/logs/stream", headers={"Authorization": f"Bearer {self.tokens['viewer', 'sales']}"})
        answer = line.getresponse()
        self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
        told = []
        self.read_until(answer, told, "one")
        # A line whose number is smaller, and that can be seen later: two writers on PostgreSQL.
        number = self.project.sqlite("SELECT max(task_log_id) FROM task_log")[0][0]
        self.project.sqlite("INSERT INTO task_log (task_log_id, run_id, task_id, attempt, at_us, level, message) "
                            "VALUES (?, ?, 'ingest', 1, ?, 'info', 'three')", number + 2, run, now)
        self.read_until(answer, told, "three")
        self.project.sqlite("INSERT INTO task_log (task_log_id, run_id, task_id, attempt, at_us, level, message) "
                            "VALUES (?, ?, 'ingest', 1, ?, 'info', 'two, late')", number + 1, run, now)
        self.read_until(answer, told, "two, late")
        self.project.sqlite("UPDATE flow_run SET state = 'succeeded' WHERE run_id = ?", run)
        rest = answer.read().decode()
        line.close()
        self.assertIn("event: end\ndata: {\"state\":\"succeeded\"}", rest)
        text = "".join(told) + rest
        for word in ("one", "three", "two, late"):
            self.assertEqual(text.count(f'"message":"{word}"'), 1, text)
        # Who comes again says what it has.
        again = self.ask("GET", f"/v1/runs/{run}/logs/stream", self.admin, headers={"Last-Event-ID": str(number)})
        self.assertNotIn('"message":"one"', again.body.decode())
        self.assertIn("three", again.body.decode())
        page = self.ask("GET", f"/v1/runs/{run}/logs?after={number}", self.admin).json
        self.assertEqual([line["message"] for line in page["lines"]], ["two, late", "three"])
        self.assertTrue(page["is_final"])

    def test_holds_are_decided_once(self):
        self.project.sqlite("INSERT INTO hold (token, run_id, task_id, target, reason, created_at_us) "
                            "VALUES (?, ?, 'ingest', 'raw.x', 'empty_snapshot', 1)", "d" * 64, Shared.sales)
        reply = self.ask("POST", f"/v1/holds/{'d' * 64}/approve", self.tokens["operator", "sales"])
        self.assertEqual((reply.status, reply.json["state"]), (200, "approved"))
        self.problem(self.ask("POST", f"/v1/holds/{'d' * 64}/reject", self.admin), 409, "conflict")
        self.assertEqual(self.project.sqlite("SELECT closed_by FROM hold WHERE token = ?", "d" * 64), [("operator_sales, token test",)])

    def test_a_plan_is_applied_as_it_was_seen_or_not_at_all(self):
        token = self.tokens["developer", "all"]
        flow = (self.project.folder / "flows/shop.yaml").read_text()
        self.project.write("flows/shop.yaml", flow + "---\nflow: extra\ntasks:\n  - {id: ingest, template: ingest_files, with: {from: "
                                                     "\"landing/sales/*.csv\", to: raw.sales}}\n")
        try:
            plan = self.ask("POST", "/v1/configuration/plan", token, body={}).json
            self.assertFalse(plan["is_empty"])
            self.problem(self.ask("POST", "/v1/configuration/apply", token, body={"hash": "0" * 64}), 409, "conflict")
            self.assertEqual(self.ask("POST", "/v1/configuration/apply", token, body={"hash": plan["hash"]}).status, 204)
            self.assertTrue(self.ask("POST", "/v1/configuration/plan", token, body={}).json["is_empty"])
            self.assertEqual(self.ask("GET", "/v1/flows/extra", token).status, 200)
            rows = self.project.sqlite("SELECT author FROM audit_log WHERE action = 'config.insert' ORDER BY audit_log_id DESC LIMIT 1")
            self.assertEqual(rows, [("developer_all, token test",)])
        finally:
            self.project.write("flows/shop.yaml", flow)
            self.project.weir("apply")

    def test_what_the_server_was_given_no_action_for_is_not_served(self):
        reply = self.problem(self.ask("POST", "/v1/flows/sales/runs", self.admin, body={}), 501, "unsupported")
        self.assertIn("does not start runs", reply["detail"])
        # What is no flow is told first.
        self.problem(self.ask("POST", "/v1/flows/nothing/runs", self.admin, body={}), 404)

    def test_a_flow_is_paused_and_goes_on(self):
        token = self.tokens["operator", "sales"]
        self.assertEqual(self.ask("POST", "/v1/flows/sales/pause", token, body={"reason": "the source is late"}).status, 204)
        flow = self.ask("GET", "/v1/flows", token).json["flows"][0]
        self.assertTrue(flow["is_paused"])
        self.assertEqual(self.project.sqlite("SELECT paused_by, pause_reason FROM flow_state WHERE flow_id = 'sales'"),
                         [("operator_sales, token test", "the source is late")])
        self.problem(self.ask("POST", "/v1/flows/sales/pause", token), 409, "conflict")
        self.assertEqual(self.ask("POST", "/v1/flows/sales/resume", token).status, 204)
        self.assertFalse(self.ask("GET", "/v1/flows", token).json["flows"][0]["is_paused"])

    def test_metrics_say_what_stands_in_the_catalog(self):
        text = self.ask("GET", "/metrics", self.admin).body.decode()
        count = self.project.sqlite("SELECT count(*) FROM flow_run WHERE state = 'succeeded'")[0][0]
        self.assertIn(f'weir_runs{{state="succeeded"}} {count}\n', text)
        self.assertIn('weir_http_requests_total{route="get_metrics"', self.ask("GET", "/metrics", self.admin).body.decode())
        ended = self.project.sqlite("SELECT max(finished_at_us) FROM flow_run WHERE flow_id = 'shop' AND state = 'succeeded'")[0][0]
        self.assertAlmostEqual(float(re.search(r'last_success_timestamp_seconds\{flow="shop"\} (\S+)', text)[1]), ended / 1e6, places=3)
        self.assertGreater(float(re.search(r"\nprocess_resident_memory_bytes (\S+)", text)[1]), 1e6)

    def test_nothing_that_was_secret_stands_in_the_tables(self):
        dump = subprocess.run(["sqlite3", str(self.project.folder / "weir.db"), ".dump"], capture_output=True, text=True, check=True).stdout
        for token in self.tokens.values():
            self.assertNotIn(token, dump)
            self.assertNotIn(token[9:], dump)
        self.assertNotIn(PASSWORD, dump)
        self.assertIn("$argon2id$v=19$m=19456,t=2,p=1$", dump)


class Runs(unittest.TestCase):
    """A server that drives runs, asked over HTTP."""

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.close)
        self.project.land("sales/1.csv", "id,amount\n1,10.50\n2,ten\n")
        self.project.weir("apply")
        add_user(self.project, "ann", "operator")
        self.token = add_token(self.project, "ann")
        self.server = Server(self.project, runs=True)
        self.addCleanup(self.server.close)

    def ask(self, method, path, body=None):
        return self.server.ask(method, path, self.token, body=body)

    def finish(self, run_id):
        """The run once it has ended: its stream of logs says when."""
        reply = self.ask("GET", f"/v1/runs/{run_id}/logs/stream")
        self.assertIn("event: end", reply.body.decode())
        return self.ask("GET", f"/v1/runs/{run_id}").json

    def test_a_run_is_started_followed_and_found_again_by_its_key(self):
        reply = self.ask("POST", "/v1/flows/sales/runs", {"run_key": "first"})
        self.assertEqual(reply.status, 202, reply)
        run = reply.json
        self.assertEqual(reply.headers["Location"], f"/v1/runs/{run['run_id']}")
        self.assertEqual(self.finish(run["run_id"])["state"], "succeeded", self.server.said())
        tasks = self.ask("GET", f"/v1/runs/{run['run_id']}/tasks").json["tasks"]
        self.assertEqual((tasks[0]["counts"]["in"], tasks[0]["counts"]["rejected"]), (2, 1))
        again = self.ask("POST", "/v1/flows/sales/runs", {"run_key": "first"})
        self.assertEqual((again.status, again.json["run_id"]), (202, run["run_id"]))
        self.assertEqual(len(self.project.sqlite("SELECT run_id FROM flow_run")), 1)
        told = self.project.sqlite("SELECT details FROM audit_log WHERE action = 'server.start_run' ORDER BY position")
        self.assertEqual([json.loads(each[0])["outcome"] for each in told], ["asked", "done"] * 2)

    def test_a_run_that_failed_is_retried(self):
        in_the_way = self.project.write("data/raw", "no folder")
        run = self.ask("POST", "/v1/flows/sales/runs", {}).json
        self.assertEqual(self.finish(run["run_id"])["state"], "failed", self.server.said())
        in_the_way.unlink()
        reply = self.ask("POST", f"/v1/runs/{run['run_id']}/retry", {})
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(self.finish(run["run_id"])["state"], "succeeded", self.server.said())
        again = self.ask("POST", f"/v1/runs/{run['run_id']}/retry", {})
        self.assertGreaterEqual(again.status, 400, "it has succeeded")


class Judged(ServerCase):
    """Answers and the document against what others say of them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not api_judges.load():
            print("skipped: judges of the API are not set up: ./dev standins")
            raise unittest.SkipTest("not set up")

    def validator(self, schema):
        import jsonschema
        import referencing
        import referencing.jsonschema
        document = referencing.Resource(contents=Shared.document, specification=referencing.jsonschema.DRAFT202012)
        registry = referencing.Registry().with_resource("urn:openapi", document)

        def anchored(value):
            if isinstance(value, dict):
                return {key: "urn:openapi" + each if key == "$ref" else anchored(each) for key, each in value.items()}
            return [anchored(each) for each in value] if isinstance(value, list) else value
        return jsonschema.Draft202012Validator(anchored(schema), registry=registry,
                                               format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)

    def check(self, reply, operation, where):
        answers = operation["responses"]
        described = answers.get(str(reply.status), answers["default"])
        if "content" not in described:
            self.assertEqual(reply.body, b"", where)
            return
        kind = reply.headers["Content-Type"].split(";")[0]
        self.assertIn(kind, described["content"], where)
        schema = described["content"][kind]["schema"]
        # References within references are those of the document, too.
        errors = [error.message[:300] for error in self.validator(schema).iter_errors(reply.json if kind.endswith("json") else reply.body.decode())]
        self.assertEqual(errors, [], where)

    def test_the_document_is_openapi(self):
        import openapi_spec_validator
        openapi_spec_validator.validate(Shared.document)
        self.assertEqual(Shared.document["openapi"], "3.1.0")

    def test_every_answer_has_the_shape_that_the_document_says(self):
        self.ask("POST", f"/v1/runs/{Shared.sales}/cancel", self.admin)
        matrix, seen = Matrix(), set()
        matrix.project = self.project
        self.project.sqlite("DELETE FROM user_account WHERE user_name = 'matrix'")
        self.project.sqlite("DELETE FROM api_token WHERE name = 'matrix'")
        for method, path, operation in self.routes():
            name = operation["operationId"]
            if name in ("approve_hold", "reject_hold", "remove_user"):
                continue  # below: it changes what other tests read
            for kind, (address, _) in matrix.objects(path).items():
                for token in (self.admin, self.tokens["viewer", "sales"], None):
                    reply = self.ask(method, address, token, body=BODIES.get(name))
                    self.check(reply, operation, f"{method} {address}: {reply}")
                    if reply.status < 300:
                        seen.add(name)
        self.project.sqlite("INSERT INTO hold (token, run_id, task_id, target, reason, created_at_us) VALUES (?, ?, 'ingest', 'raw.x', 'empty', 1)",
                            "e" * 64, Shared.sales)
        operations = {operation["operationId"]: operation for _, _, operation in self.routes()}
        self.check(self.ask("POST", f"/v1/holds/{'e' * 64}/reject", self.admin), operations["reject_hold"], "reject")
        self.check(self.ask("DELETE", "/v1/users/matrix", self.admin), operations["remove_user"], "remove")
        served = {name for name, each in operations.items() if each["x-weir-access"] != "sign_in"}
        # Without a scheduler four are not served, no run can be cancelled; what is applied is tested by itself.
        self.assertEqual(served - seen, {"start_run", "retry_run", "cancel_run", "apply_configuration", "approve_hold",
                                         "reject_hold", "take_arrivals", "take_arrivals_of_flow",
                                         "remove_user", "change_own_password", "revoke_token"})

    def test_the_checks_can_fail(self):
        good = self.ask("GET", f"/v1/runs/{Shared.sales}", self.admin)
        operation = Shared.document["paths"]["/v1/runs/{run_id}"]["get"]
        for change in ({"state": "odd"}, {"created_at": "yesterday"}, {"extra": 1}, {"params": []}):
            reply = Reply(good.status, good.headers, json.dumps(good.json | change).encode())
            with self.assertRaises(AssertionError, msg=str(change)):
                self.check(reply, operation, "")

    def test_prometheus_reads_the_metrics(self):
        from prometheus_client.parser import text_string_to_metric_families
        self.project.sqlite("INSERT INTO flow_run (run_id, flow_id, run_key, state, logical_time_us, created_at_us, finished_at_us) "
                            "VALUES ('odd', ?, 'odd', 'succeeded', 1, 1, 1500000)", 'a"b\\c\nd {x="1"} 7')
        try:
            text = self.ask("GET", "/metrics", self.admin).body.decode()
        finally:
            self.project.sqlite("DELETE FROM flow_run WHERE run_id = 'odd'")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        for name in ("weir_runs", "weir_tasks", "weir_flow_last_success_timestamp_seconds", "weir_http_requests", "weir_http_request_duration_seconds",
                     "process_resident_memory_bytes", "process_cpu_seconds", "weir_build_info"):
            self.assertIn(name, families)
        odd = [sample for sample in families["weir_flow_last_success_timestamp_seconds"].samples if sample.value == 1.5]
        self.assertEqual(odd[0].labels["flow"], 'a"b\\c\nd {x="1"} 7')
        latency = families["weir_http_request_duration_seconds"]
        self.assertEqual(latency.type, "histogram")
        buckets = [sample for sample in latency.samples if sample.labels["route"] == "get_openapi" and sample.name.endswith("_bucket")]
        self.assertEqual([sample.value for sample in buckets], sorted(sample.value for sample in buckets))
        self.assertTrue(all(family.documentation for family in families.values()))


if __name__ == "__main__":
    unittest.main()
