"""Valid requests for the services that carry events, and for what connects them to functions."""
import json
import time

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/conformance"
REGION = "us-east-1"


def arn(service, name):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


def run_event_scenarios(services):
    for name, scenario in (("sqs", queues), ("sns", topics), ("events", buses), ("scheduler", schedules)):
        if name in services:
            scenario(services[name])


def queues(s):
    call = s.call
    url = call("CreateQueue", QueueName="conf", Attributes={"VisibilityTimeout": "30"}, tags={"a": "b"})["QueueUrl"]
    dead = call("CreateQueue", QueueName="conf-dead")["QueueUrl"]
    fifo = call("CreateQueue", QueueName="conf.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    call("GetQueueUrl", QueueName="conf")
    call("ListQueues", QueueNamePrefix="conf")
    call("SetQueueAttributes", QueueUrl=url, Attributes={
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("sqs", "conf-dead"), "maxReceiveCount": 5})})
    call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    call("ListDeadLetterSourceQueues", QueueUrl=dead)
    call("TagQueue", QueueUrl=url, Tags={"c": "d"})
    call("ListQueueTags", QueueUrl=url)
    call("UntagQueue", QueueUrl=url, TagKeys=["c"])
    call("AddPermission", QueueUrl=url, Label="l", AWSAccountIds=["123456789012"], Actions=["SendMessage"])
    call("RemovePermission", QueueUrl=url, Label="l")
    sent = call("SendMessage", QueueUrl=url, MessageBody="m", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
    call("SendMessage", QueueUrl=fifo, MessageBody="m", MessageGroupId="g", MessageDeduplicationId="d")
    call("SendMessageBatch", QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "n"}])
    got = call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"]
    if sent["MessageId"] not in [m["MessageId"] for m in got]:
        raise SystemExit(f"sent {sent}, received {got}")
    first, second = got
    call("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=60)
    call("ChangeMessageVisibilityBatch", QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 60}])
    call("DeleteMessage", QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    call("DeleteMessageBatch", QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": second["ReceiptHandle"]}])
    task = call("StartMessageMoveTask", SourceArn=arn("sqs", "conf-dead"))
    call("ListMessageMoveTasks", SourceArn=arn("sqs", "conf-dead"))
    s.refuse("CancelMessageMoveTask", "InvalidParameterValueException", TaskHandle=task["TaskHandle"])  # it is done
    call("PurgeQueue", QueueUrl=url)
    for u in (url, dead, fifo):
        call("DeleteQueue", QueueUrl=u)


def topics(s):
    call = s.call
    topic = arn("sns", "conf")
    call("CreateTopic", Name="conf", Attributes={"DisplayName": "C"}, Tags=[{"Key": "a", "Value": "b"}])
    call("ListTopics")
    call("GetTopicAttributes", TopicArn=topic)
    call("SetTopicAttributes", TopicArn=topic, AttributeName="DisplayName", AttributeValue="D")
    call("AddPermission", TopicArn=topic, Label="l", AWSAccountId=["123456789012"], ActionName=["Publish"])
    call("RemovePermission", TopicArn=topic, Label="l")
    call("TagResource", ResourceArn=topic, Tags=[{"Key": "c", "Value": "d"}])
    call("ListTagsForResource", ResourceArn=topic)
    call("UntagResource", ResourceArn=topic, TagKeys=["c"])
    sub = call("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn("sqs", "conf"), ReturnSubscriptionArn=True).findtext("SubscriptionArn")
    call("ListSubscriptions")
    call("ListSubscriptionsByTopic", TopicArn=topic)
    call("GetSubscriptionAttributes", SubscriptionArn=sub)
    call("SetSubscriptionAttributes", SubscriptionArn=sub, AttributeName="RawMessageDelivery", AttributeValue="true")
    s.refuse("ConfirmSubscription", "InvalidParameter", TopicArn=topic, Token="none")
    call("Publish", TopicArn=topic, Message="m", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
    call("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "m"}])
    call("Unsubscribe", SubscriptionArn=sub)
    call("DeleteTopic", TopicArn=topic)


def buses(s):
    call = s.call
    bus = call("CreateEventBus", Name="conf", Tags=[{"Key": "a", "Value": "b"}])["EventBusArn"]
    call("UpdateEventBus", Name="conf", Description="d")
    call("DescribeEventBus", Name="conf")
    call("ListEventBuses")
    call("PutPermission", EventBusName="conf", Action="events:PutEvents", Principal="123456789012", StatementId="s")
    call("RemovePermission", EventBusName="conf", StatementId="s")
    rule = call("PutRule", Name="conf", EventBusName="conf", EventPattern='{"source":["conf"]}')["RuleArn"]
    call("DescribeRule", Name="conf", EventBusName="conf")
    call("DisableRule", Name="conf", EventBusName="conf")
    call("EnableRule", Name="conf", EventBusName="conf")
    call("ListRules", EventBusName="conf")
    call("TagResource", ResourceARN=rule, Tags=[{"Key": "c", "Value": "d"}])
    call("ListTagsForResource", ResourceARN=rule)
    call("UntagResource", ResourceARN=rule, TagKeys=["c"])
    call("PutTargets", Rule="conf", EventBusName="conf", Targets=[{"Id": "1", "Arn": arn("sqs", "conf")}])
    call("ListTargetsByRule", Rule="conf", EventBusName="conf")
    call("ListRuleNamesByTarget", TargetArn=arn("sqs", "conf"), EventBusName="conf")
    archive = call("CreateArchive", ArchiveName="conf", EventSourceArn=bus)["ArchiveArn"]
    call("UpdateArchive", ArchiveName="conf", RetentionDays=1)
    call("DescribeArchive", ArchiveName="conf")
    call("ListArchives")
    call("PutEvents", Entries=[{"Source": "conf", "DetailType": "t", "Detail": "{}", "EventBusName": "conf"}])
    call("TestEventPattern", EventPattern='{"source":["conf"]}', Event=json.dumps({
        "id": "1", "detail-type": "t", "source": "conf", "account": ACCOUNT, "time": "2026-11-23T00:00:00Z", "region": REGION, "resources": [], "detail": {}}))
    now = int(time.time())
    call("StartReplay", ReplayName="conf", EventSourceArn=archive, EventStartTime=now - 3600, EventEndTime=now, Destination={"Arn": bus})
    call("DescribeReplay", ReplayName="conf")
    call("ListReplays")
    for _ in range(300):
        if call("DescribeReplay", ReplayName="conf")["State"] == "COMPLETED":
            break
        time.sleep(0.05)
    s.refuse("CancelReplay", "IllegalStatusException", ReplayName="conf")  # it is done
    call("RemoveTargets", Rule="conf", EventBusName="conf", Ids=["1"])
    call("DeleteRule", Name="conf", EventBusName="conf")
    call("DeleteArchive", ArchiveName="conf")
    call("DeleteEventBus", Name="conf")


def schedules(s):
    call = s.call
    group = call("CreateScheduleGroup", Name="conf", Tags=[{"Key": "a", "Value": "b"}])["ScheduleGroupArn"]
    call("GetScheduleGroup", Name="conf")
    call("ListScheduleGroups")
    call("TagResource", ResourceArn=group, Tags=[{"Key": "c", "Value": "d"}])
    call("ListTagsForResource", ResourceArn=group)
    call("UntagResource", ResourceArn=group, TagKeys=["c"])
    schedule = {"Name": "conf", "GroupName": "conf", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": arn("sqs", "conf"), "RoleArn": ROLE}}
    call("CreateSchedule", **schedule)
    call("UpdateSchedule", **schedule, Description="d")
    call("GetSchedule", Name="conf", GroupName="conf")
    call("ListSchedules", GroupName="conf")
    call("DeleteSchedule", Name="conf", GroupName="conf")
    call("DeleteScheduleGroup", Name="conf")
