"""A JSON endpoint: it answers the body of its request."""


def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": event["body"]}
