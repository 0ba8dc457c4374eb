"""Makes a thumbnail of each picture that is uploaded, and a note of anything else."""

import hashlib
import io
import json
from urllib.parse import unquote_plus

import boto3
from PIL import Image

s3 = boto3.client("s3")


def handler(event, context):
    done = []
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])  # S3 writes it as a form does
        done.append(thumbnail(bucket, key) if key.lower().endswith((".jpg", ".jpeg", ".png")) else note(bucket, key))
    print("made", ", ".join(done))
    return done


def result(key):
    """The result goes to another prefix: an event for it would run this function again."""
    return "thumbs/" + key.removeprefix("uploads/")


def thumbnail(bucket, key):
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture.thumbnail((128, 128))
    small = io.BytesIO()
    picture.save(small, "JPEG")
    name = result(key).rsplit(".", 1)[0] + ".jpg"
    s3.put_object(Bucket=bucket, Key=name, Body=small.getvalue(), ContentType="image/jpeg")
    return name


def note(bucket, key):
    """Reads an object of any size, a piece at a time."""
    digest, size = hashlib.sha256(), 0
    for piece in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
        digest.update(piece)
        size += len(piece)
    name = result(key) + ".json"
    s3.put_object(Bucket=bucket, Key=name, Body=json.dumps({"size": size, "sha256": digest.hexdigest()}), ContentType="application/json")
    return name
