"""A function that needs the AWS SDK before it can begin."""
import boto3


def handler(event, context):
    return event
