"""S3 as a user of boto3, of plain URLs and of browsers' forms meets it."""
import io
import os
import socket
import urllib.error
import urllib.parse
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
PORT = urllib.parse.urlsplit(ENDPOINT).port
B = "scenario"
ODD = ["a//b", "..", "a/../b", "%41", "x y+z&=?#", "日本", "sp ace/", "a/b c+ü.txt"]

s3 = boto3.client("s3")
v4 = boto3.client("s3", config=Config(signature_version="s3v4"))

resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *a, **k: resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *a, **k)


def refused(code, f, **kw):
    try:
        f(Bucket=B, **kw)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response["Error"]
        return e.response
    raise AssertionError(f"{f.__name__} was not refused with {code}")


def http(method, url, data=None, headers={}):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as r:
            return r.status, r.read(), r.headers
    except urllib.error.HTTPError as e:
        return e.code, e.read(), e.headers


def body(key, **kw):
    return s3.get_object(Bucket=B, Key=key, **kw)["Body"].read()


def buckets():
    s3.create_bucket(Bucket=B)
    assert B in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=B)["LocationConstraint"] is None
    s3.head_bucket(Bucket=B)
    for name in ["Upper", "a..b", "ab", "192.168.1.1"]:
        try:
            boto3.client("s3", config=Config(parameter_validation=False)).create_bucket(Bucket=name)
            raise AssertionError(name)
        except ClientError as e:
            assert e.response["Error"]["Code"] == "InvalidBucketName", e
        except Exception as e:
            assert "Invalid bucket name" in str(e), e
    refused("NoSuchTagSet", s3.get_bucket_tagging)
    refused("NoSuchBucketPolicy", s3.get_bucket_policy)
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration)
    refused("NoSuchWebsiteConfiguration", s3.get_bucket_website)
    assert s3.get_bucket_encryption(Bucket=B)["ServerSideEncryptionConfiguration"]["Rules"]
    s3.put_bucket_tagging(Bucket=B, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_tagging(Bucket=B)["TagSet"] == [{"Key": "a", "Value": "b"}]
    rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=B, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=B)["Rules"] == [rule]


def objects():
    for key in ODD:
        s3.put_object(Bucket=B, Key=key, Body=key.encode(), Metadata={"x": "y"}, ContentType="text/x")
        got = s3.get_object(Bucket=B, Key=key)
        assert got["Body"].read() == key.encode() and got["Metadata"] == {"x": "y"} and got["ContentType"] == "text/x", key
    assert set(ODD) == {o["Key"] for o in s3.list_objects_v2(Bucket=B)["Contents"]}
    assert body(ODD[-1], Range="bytes=1-3") == ODD[-1].encode()[1:4] and body(ODD[-1], Range="bytes=-4") == b".txt"
    refused("InvalidRange", s3.get_object, Key="..", Range="bytes=9-")
    assert refused("404", s3.head_object, Key="none")
    assert refused("NoSuchKey", s3.get_object, Key="none")["Error"]["Key"] == "none"
    etag = s3.head_object(Bucket=B, Key="..")["ETag"]
    refused("304", s3.head_object, Key="..", IfNoneMatch=etag)
    refused("PreconditionFailed", s3.get_object, Key="..", IfMatch='"no"')
    refused("PreconditionFailed", s3.put_object, Key="..", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Key="..", IfMatch='"no"')
    refused("NoSuchKey", s3.put_object, Key="none", IfMatch=etag)
    s3.put_object(Bucket=B, Key="..", Body=b"again", IfMatch=etag)
    for algorithm in ["CRC32", "SHA1", "SHA256"]:
        put = s3.put_object(Bucket=B, Key="sum", Body=b"x" * 100_000, ChecksumAlgorithm=algorithm)
        head = s3.head_object(Bucket=B, Key="sum", ChecksumMode="ENABLED")
        assert put["Checksum" + algorithm] == head["Checksum" + algorithm] and head["ChecksumType"] == "FULL_OBJECT"
    refused("BadDigest", s3.put_object, Key="sum", Body=b"y", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    refused("BadDigest", s3.put_object, Key="sum", Body=b"y", ChecksumSHA256="A" * 43 + "=")
    s3.put_object_tagging(Bucket=B, Key="sum", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket=B, Key="sum")["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.copy_object(Bucket=B, Key="copy", CopySource={"Bucket": B, "Key": ODD[-1]})
    assert body("copy") == ODD[-1].encode() and s3.head_object(Bucket=B, Key="copy")["Metadata"] == {"x": "y"}
    refused("InvalidRequest", s3.copy_object, Key="copy", CopySource={"Bucket": B, "Key": "copy"})
    refused("BucketNotEmpty", s3.delete_bucket)


def uploads():
    data = os.urandom(21 << 20)
    s3.upload_fileobj(io.BytesIO(data), B, "big")
    assert body("big") == data and s3.head_object(Bucket=B, Key="big")["ETag"].endswith('-3"')
    attributes = s3.get_object_attributes(Bucket=B, Key="big", ObjectAttributes=["ETag", "ObjectParts", "ObjectSize"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3 and attributes["ObjectSize"] == len(data)
    assert body("big", PartNumber=3) == data[16 << 20:]
    u = s3.create_multipart_upload(Bucket=B, Key="cut")["UploadId"]
    first = s3.upload_part_copy(Bucket=B, Key="cut", UploadId=u, PartNumber=1, CopySource={"Bucket": B, "Key": "big"}, CopySourceRange="bytes=7-6000006")
    last = s3.upload_part(Bucket=B, Key="cut", UploadId=u, PartNumber=2, Body=b"end")
    assert [p["PartNumber"] for p in s3.list_parts(Bucket=B, Key="cut", UploadId=u)["Parts"]] == [1, 2]
    assert [x["Key"] for x in s3.list_multipart_uploads(Bucket=B)["Uploads"]] == ["cut"]
    parts = [{"PartNumber": 1, "ETag": first["CopyPartResult"]["ETag"]}, {"PartNumber": 2, "ETag": last["ETag"]}]
    refused("InvalidPartOrder", s3.complete_multipart_upload, Key="cut", UploadId=u, MultipartUpload={"Parts": parts[::-1]})
    refused("InvalidPart", s3.complete_multipart_upload, Key="cut", UploadId=u, MultipartUpload={"Parts": [{"PartNumber": 3, "ETag": "x"}]})
    s3.complete_multipart_upload(Bucket=B, Key="cut", UploadId=u, MultipartUpload={"Parts": parts})
    assert body("cut") == data[7:6000007] + b"end"
    small = s3.create_multipart_upload(Bucket=B, Key="small")["UploadId"]
    tags = [s3.upload_part(Bucket=B, Key="small", UploadId=small, PartNumber=n, Body=b"x")["ETag"] for n in (1, 2)]
    parts = [{"PartNumber": n + 1, "ETag": e} for n, e in enumerate(tags)]
    refused("EntityTooSmall", s3.complete_multipart_upload, Key="small", UploadId=small, MultipartUpload={"Parts": parts})
    s3.abort_multipart_upload(Bucket=B, Key="small", UploadId=small)
    refused("NoSuchUpload", s3.list_parts, Key="small", UploadId=small)


def listings():
    for n in range(25):
        s3.put_object(Bucket=B, Key=f"list/{n // 5}/{n}", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=B, Prefix="list/", PaginationConfig={"PageSize": 4})
    keys = [o["Key"] for p in pages for o in p["Contents"]]
    assert keys == sorted(f"list/{n // 5}/{n}" for n in range(25))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=B, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 2})
    assert [c["Prefix"] for p in pages for c in p.get("CommonPrefixes", [])] == [f"list/{n}/" for n in range(5)]
    old = s3.list_objects(Bucket=B, Prefix="list/", Delimiter="/", MaxKeys=2)
    assert old["NextMarker"] == "list/1/" and s3.list_objects(Bucket=B, Prefix="list/", Delimiter="/", Marker="list/1/")["CommonPrefixes"][0]["Prefix"] == "list/2/"
    gone = s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": k} for k in keys]})
    assert len(gone["Deleted"]) == 25 and "Contents" not in s3.list_objects_v2(Bucket=B, Prefix="list/")


def versions():
    s3.put_bucket_versioning(Bucket=B, VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket=B, Key="v", Body=str(n))["VersionId"] for n in range(3)]
    marker = s3.delete_object(Bucket=B, Key="v")
    assert marker["DeleteMarker"]
    refused("NoSuchKey", s3.get_object, Key="v")
    assert [body("v", VersionId=i) for i in ids] == [b"0", b"1", b"2"]
    listed = s3.list_object_versions(Bucket=B, Prefix="v")
    assert [v["VersionId"] for v in listed["Versions"]] == ids[::-1] and listed["DeleteMarkers"][0]["IsLatest"]
    s3.delete_object(Bucket=B, Key="v", VersionId=marker["VersionId"])
    assert body("v") == b"2"
    s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": "v", "VersionId": i} for i in ids]})
    assert "Versions" not in s3.list_object_versions(Bucket=B, Prefix="v")


def presigned():
    virtual = [boto3.client("s3", endpoint_url=f"http://s3.localhost:{PORT}", config=Config(signature_version=v, s3={"addressing_style": "virtual"})) for v in (None, "s3v4")]
    for c in [s3, v4, *virtual]:
        url = c.generate_presigned_url("put_object", Params={"Bucket": B, "Key": "signed ü"})
        assert http("PUT", url, b"by url", {"Content-Type": ""} if c in (s3, virtual[0]) else {})[0] == 200, url
        url = c.generate_presigned_url("get_object", Params={"Bucket": B, "Key": "signed ü"})
        assert http("GET", url)[:2] == (200, b"by url"), url
        status, text, _ = http("GET", url.replace("signed", "other"))
        assert status == 403 and b"SignatureDoesNotMatch" in text, text
        assert http("GET", url + "&acl")[0] == 403
    old = s3.generate_presigned_url("get_object", Params={"Bucket": B, "Key": "signed ü"}, ExpiresIn=-5)
    assert http("GET", old)[0] == 403
    assert http("GET", f"{ENDPOINT}/{B}/signed", headers={"Host": f"s3.localhost:{PORT}"})[0] == 403  # nobody is let in without a signature
    for c in virtual:
        assert c.list_objects_v2(Bucket=B, MaxKeys=1)["KeyCount"] == 1


def forms():
    def post(form, fields={}, data=b"posted", headers={}):
        lines = []
        for k, v in {**form["fields"], **fields}.items():
            lines.append(f'--frontier\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode())
        lines.append(b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="n.txt"\r\n\r\n' + data + b"\r\n--frontier--\r\n")
        return http("POST", form["url"], b"".join(lines), {"Content-Type": "multipart/form-data; boundary=frontier", **headers})

    for c in (s3, v4):
        form = c.generate_presigned_post(B, "form/${filename}", Fields={"success_action_status": "201", "x-amz-meta-q": "1"},
                                         Conditions=[{"success_action_status": "201", "x-amz-meta-q": "1"}, ["content-length-range", 1, 10]])
        status, text, _ = post(form, headers={"x-amz-meta-evil": "1"})
        assert status == 201 and b"<Key>form/n.txt</Key>" in text, text
        assert body("form/n.txt") == b"posted" and s3.head_object(Bucket=B, Key="form/n.txt")["Metadata"] == {"q": "1"}
        assert post(form, {"key": "elsewhere"})[0] == 403
        assert post(form, {"extra": "1"})[0] == 403
        assert b"EntityTooLarge" in post(form, data=b"x" * 11)[1] and b"EntityTooSmall" in post(form, data=b"")[1]
        form["fields"]["policy"] = "e30="
        assert post(form)[0] == 403


def origins():
    rule = {"AllowedOrigins": ["http://*.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"]}
    s3.put_bucket_cors(Bucket=B, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=B)["CORSRules"] == [rule]
    ask = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    status, _, headers = http("OPTIONS", f"{ENDPOINT}/{B}/k", headers={"Origin": "http://a.example.com", **ask})
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "http://a.example.com" and headers["Access-Control-Allow-Headers"] == "content-type"
    assert http("OPTIONS", f"{ENDPOINT}/{B}/k", headers={"Origin": "http://a.evil.com", **ask})[0] == 403
    url = v4.generate_presigned_url("get_object", Params={"Bucket": B, "Key": ".."})
    assert http("GET", url, headers={"Origin": "http://a.example.com"})[2]["Access-Control-Expose-Headers"] == "ETag"


def notifications():
    missing = {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:none", "Events": ["s3:ObjectCreated:*"]}
    refused("InvalidArgument", s3.put_bucket_notification_configuration, NotificationConfiguration={"QueueConfigurations": [missing]})
    both = [{**missing, "Id": i} for i in "ab"]
    refused("InvalidArgument", s3.put_bucket_notification_configuration, NotificationConfiguration={"QueueConfigurations": both})
    s3.put_bucket_notification_configuration(Bucket=B, NotificationConfiguration={"EventBridgeConfiguration": {}})
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=B)


for step in (buckets, objects, uploads, listings, versions, presigned, forms, origins, notifications):
    step()
    print(step.__name__, "ok")
