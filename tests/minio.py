"""An S3 server of a test's own: MinIO over a temporary folder, on a free port of 127.0.0.1. Its folder is its own affair, so buckets are
made, filled and listed by requests."""
import urllib.parse
import xml.etree.ElementTree

import versitygw
from versitygw import ACCESS_KEY, SECRET_KEY

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Server(versitygw.Server):
    def _program(self):
        return versitygw.program("minio", "./dev standins --all")

    def _words(self):
        return [self.program, "server", self.folder / "data", "--address", f"127.0.0.1:{self.port}"]

    def _environment(self):
        return {"HOME": str(self.folder), "MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}

    def create_bucket(self, name):
        self.request("PUT", f"/{name}")

    def empty(self, bucket):
        for key in self.objects(bucket):
            self.request("DELETE", f"/{bucket}/{urllib.parse.quote(key)}")

    def put(self, bucket, key, content):
        self.request("PUT", f"/{bucket}/{urllib.parse.quote(key)}", body=content.encode() if isinstance(content, str) else content)

    def read(self, bucket, key):
        return self.request("GET", f"/{bucket}/{urllib.parse.quote(key)}")

    def objects(self, bucket):
        found, after = [], ""
        while True:
            query = {"list-type": "2", "max-keys": "1000", **({"start-after": after} if after else {})}
            page = xml.etree.ElementTree.fromstring(self.request("GET", f"/{bucket}", query))
            found += [each.findtext(f"{NAMESPACE}Key") for each in page.iter(f"{NAMESPACE}Contents")]
            if page.findtext(f"{NAMESPACE}IsTruncated") != "true":
                return sorted(found)
            after = found[-1]
