"""A small web site: a page, a cookie that counts visits, and an upload."""

import base64
import email.parser
import email.policy
import hashlib
import html
import os


def handler(event, context):
    http = event["requestContext"]["http"]
    match http["method"], event["rawPath"]:
        case "GET", "/":
            return page(event)
        case "POST", "/upload":
            return upload(event)
        case _:
            return {"statusCode": 404, "headers": {"content-type": "text/plain"}, "body": "There is no such page."}


def page(event):
    cookies = dict(c.split("=", 1) for c in event.get("cookies", []) if "=" in c)
    visits = int(cookies.get("visits", 0)) + 1
    with open(os.path.join(os.path.dirname(__file__), "index.html"), encoding="utf-8") as f:
        text = f.read()
    for name, value in {"VISITS": str(visits), "API": os.environ["API"], "STORY": os.environ["STORY"]}.items():
        text = text.replace("{{" + name + "}}", html.escape(value))
    return {
        "statusCode": 200,
        "headers": {"content-type": "text/html; charset=utf-8"},
        "cookies": [f"visits={visits}; Path=/; HttpOnly; SameSite=Lax", "seen=yes; Path=/; SameSite=Lax"],
        "body": text,
    }


def upload(event):
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    head = f"Content-Type: {event['headers']['content-type']}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    lines = []
    for part in form.iter_parts():
        data = part.get_payload(decode=True)
        lines.append(f"{part.get_filename()}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    return {"statusCode": 200, "headers": {"content-type": "text/plain; charset=utf-8"}, "body": "\n".join(lines)}
