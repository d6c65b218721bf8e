"""An SFTP server of a test's own: OpenSSH's sshd as the user that runs the test, on a free port of 127.0.0.1."""
import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SSHD = "/usr/sbin/sshd"


class Missing(Exception):
    """The server is not installed: print it and skip."""


def keygen(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def fingerprint(public_key):
    return subprocess.run(["ssh-keygen", "-lf", public_key], check=True, capture_output=True, text=True).stdout.split()[1]


class Server:
    def __init__(self, password=None, subsystem="internal-sftp"):
        """With a password (root alone may): for the user `self.user`, who is made for it. `subsystem` speaks SFTP: a
        command of a test's own in place of sshd's; `{folder}` in it is the server's folder."""
        if not os.access(SSHD, os.X_OK):
            raise Missing(f"there is no {SSHD}: apt-get install openssh-server")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-sftp-"))
        self.data = self.folder / "data"
        self.data.mkdir()
        self.user = getpass.getuser()
        self.made_user = None
        self.process = None
        self.subsystem = subsystem.format(folder=self.folder)
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        if password is not None:
            self._make_user(password)
        self.new_host_key()
        keygen(self.folder / "user")
        shutil.copy(self.folder / "user.pub", self.folder / "authorized")
        self.port = None
        self.start()

    def _make_user(self, password):
        if os.geteuid() != 0:
            raise Missing("password logins need an sshd that runs as root")
        self.user = self.made_user = f"weirtest{os.getpid()}"
        subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", self.user], check=True)
        subprocess.run(["chpasswd"], input=f"{self.user}:{password}\n", text=True, check=True)
        self.folder.chmod(0o755)
        shutil.chown(self.data, self.user)

    def new_host_key(self):
        for name in ("host", "host.pub"):
            (self.folder / name).unlink(missing_ok=True)
        keygen(self.folder / "host")
        self.fingerprint = fingerprint(self.folder / "host.pub")

    def start(self):
        for _ in range(5):  # another program may take a port between asking and using it
            port = self.port or self._free_port()
            (self.folder / "config").write_text(f"""Port {port}
ListenAddress 127.0.0.1
HostKey {self.folder}/host
PidFile none
StrictModes no
AuthorizedKeysFile {self.folder}/authorized
UsePAM no
PasswordAuthentication {"yes" if self.made_user else "no"}
KbdInteractiveAuthentication no
PermitRootLogin yes
AllowTcpForwarding no
Subsystem sftp {self.subsystem}
""")
            with open(self.folder / "log", "a") as log:
                self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", self.folder / "config"], stdout=log, stderr=log)
            if self._is_ready(port):
                self.port = port
                return
            self.kill()
        raise RuntimeError((self.folder / "log").read_text())

    @staticmethod
    def _free_port():
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return listener.getsockname()[1]

    def _is_ready(self, port):
        for _ in range(500):
            if self.process.poll() is not None:
                return False
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return True
            except OSError:
                time.sleep(0.02)
        return False

    def sessions(self):
        """The processes that serve connections."""
        found = [self.process.pid]
        for pid in found:
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    found += [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
            except OSError:  # it has ended
                pass
        return found[1:]

    def drop_connections(self):
        for pid in self.sessions():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill(self):
        """The server and every connection, at once."""
        if self.process is not None:
            self.drop_connections()
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        self.kill()
        if self.made_user:
            subprocess.run(["userdel", self.made_user], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def uri(self):
        return f"sftp://127.0.0.1:{self.port}{self.data}"

    def put(self, name, content):
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def files(self):
        return sorted(str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file())
