"""An S3 server of a test's own: MinIO over a temporary folder, on a free port of 127.0.0.1. Its folder is its own affair, so buckets are
made, filled and listed by requests."""
import hashlib
import hmac
import http.client
import time
import urllib.parse
import xml.etree.ElementTree

import versitygw
from versitygw import ACCESS_KEY, SECRET_KEY, Missing  # noqa: F401

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Server(versitygw.Server):
    def _program(self):
        return versitygw.program("minio", "./dev standins --all")

    def _words(self):
        return [self.program, "server", self.folder / "data", "--address", f"127.0.0.1:{self.port}"]

    def _environment(self):
        return {"HOME": str(self.folder), "MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}

    def create_bucket(self, name):
        self._ask("PUT", f"/{name}")

    def empty(self, bucket):
        for key in self.objects(bucket):
            self._ask("DELETE", f"/{bucket}/{urllib.parse.quote(key)}")

    def put(self, bucket, key, content):
        self._ask("PUT", f"/{bucket}/{urllib.parse.quote(key)}", body=content.encode() if isinstance(content, str) else content)

    def objects(self, bucket):
        found, after = [], ""
        while True:
            query = {"list-type": "2", "max-keys": "1000", **({"start-after": after} if after else {})}
            page = xml.etree.ElementTree.fromstring(self._ask("GET", f"/{bucket}", query))
            found += [each.findtext(f"{NAMESPACE}Key") for each in page.iter(f"{NAMESPACE}Contents")]
            if page.findtext(f"{NAMESPACE}IsTruncated") != "true":
                return sorted(found)
            after = found[-1]

    def _ask(self, method, path, query=None, body=b""):
        """One request, signed as "Signature Version 4" of the AWS documentation says."""
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{at[:8]}/us-east-1/s3/aws4_request"
        text = urllib.parse.urlencode(sorted((query or {}).items()), quote_via=urllib.parse.quote)
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": at}
        names = ";".join(headers)
        request = "\n".join([method, path, text, *(f"{name}:{value}" for name, value in headers.items()), "", names,
                             headers["x-amz-content-sha256"]])
        key = f"AWS4{SECRET_KEY}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signed = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()])
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope},SignedHeaders={names},"
                                    f"Signature={hmac.digest(key, signed.encode(), 'sha256').hex()}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path + (f"?{text}" if text else ""), body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:1000]}")
        return content
