package identity

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// An awsPolicy is one of the policies that AWS gives to every account. Those
// here are the ones that functions' roles and tools' examples attach.
type awsPolicy struct {
	path, name, description string
	allow                   []string // actions, on every resource
}

func (a awsPolicy) arn() string { return "arn:aws:iam::aws:policy" + a.path + a.name }

func (a awsPolicy) policy() ManagedPolicy {
	sum := sha256.Sum256([]byte(a.arn()))
	born := time.Date(2015, 4, 9, 15, 3, 43, 0, time.UTC)
	return ManagedPolicy{
		ARN: a.arn(), Name: a.name, Path: a.path, Description: a.description, DefaultVersion: 1, Created: born, Updated: born,
		ID: "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17],
	}
}

func (a awsPolicy) version() Version {
	type statement struct {
		Effect   string
		Action   []string
		Resource string
	}
	document, err := json.MarshalIndent(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{{"Allow", a.allow, "*"}}}, "", "  ")
	if err != nil {
		panic(err) // strings alone
	}
	return Version{Number: 1, Document: string(document), Default: true, Created: a.policy().Created}
}

func awsManaged(arn string) (awsPolicy, bool) {
	if !strings.HasPrefix(arn, "arn:aws:iam::aws:policy/") {
		return awsPolicy{}, false
	}
	list := awsPolicies()
	i := slices.IndexFunc(list, func(a awsPolicy) bool { return a.arn() == arn })
	if i < 0 {
		return awsPolicy{}, false
	}
	return list[i], true
}

// logWrites is what a function needs to log: every execution role has it.
func logWrites(more ...string) []string {
	return append([]string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}, more...)
}

// awsPolicies lists AWS's policies by name.
//
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
func awsPolicies() []awsPolicy {
	const service = "/service-role/"
	return []awsPolicy{
		{"/", "AWSLambda_FullAccess", "Grants full access to AWS Lambda service, AWS Lambda console features, and other related AWS services.",
			[]string{"cloudformation:DescribeStacks", "cloudformation:ListStackResources", "cloudwatch:ListMetrics", "cloudwatch:GetMetricData", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles", "iam:PassRole", "lambda:*", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents", "states:DescribeStateMachine", "states:ListStateMachines", "tag:GetResources", "xray:GetTraceSummaries", "xray:BatchGetTraces"}},
		{"/", "AWSLambda_ReadOnlyAccess", "Grants read-only access to AWS Lambda service, AWS Lambda console features, and other related AWS services.",
			[]string{"cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoles", "lambda:Get*", "lambda:List*", "logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents", "states:DescribeStateMachine", "states:ListStateMachines", "tag:GetResources", "xray:BatchGetTraces", "xray:GetTraceSummaries"}},
		{service, "AWSLambdaBasicExecutionRole", "Provides write permissions to CloudWatch Logs.", logWrites()},
		{service, "AWSLambdaDynamoDBExecutionRole", "Provides list and read access to DynamoDB streams and write permissions to CloudWatch Logs.",
			logWrites("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")},
		{service, "AWSLambdaENIManagementAccess", "Provides minimum permissions for a Lambda function to manage ENIs (create, describe, delete) used by a VPC-enabled Lambda Function.",
			[]string{"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"}},
		{"/", "AWSLambdaInvocation-DynamoDB", "Provides read access to DynamoDB Streams.",
			[]string{"lambda:InvokeFunction", "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"}},
		{service, "AWSLambdaKinesisExecutionRole", "Provides list and read access to Kinesis streams and write permissions to CloudWatch Logs.",
			logWrites("kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:ListStreams", "kinesis:SubscribeToShard")},
		{service, "AWSLambdaMSKExecutionRole", "Provides permissions required to access MSK Cluster within a VPC, manage ENIs (create, describe, delete) in the VPC and write permissions to CloudWatch Logs.",
			logWrites("kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers", "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DeleteNetworkInterface", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups")},
		{service, "AWSLambdaRole", "Default policy for AWS Lambda service role.", []string{"lambda:InvokeFunction"}},
		{service, "AWSLambdaSQSQueueExecutionRole", "Provides receive message, delete message, and read attribute access to SQS queues, and write permissions to CloudWatch logs.",
			logWrites("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")},
		{service, "AWSLambdaVPCAccessExecutionRole", "Provides minimum permissions for a Lambda function to execute while accessing a resource within a VPC - create, describe, delete network interfaces and write permissions to CloudWatch Logs.",
			logWrites("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses")},
		{"/", "AWSStepFunctionsFullAccess", "An access policy for providing a user/role/etc access to the AWS StepFunctions API.", []string{"states:*"}},
		{"/", "AWSXRayDaemonWriteAccess", "Allow the AWS X-Ray Daemon to relay raw trace segments data to the service's API and retrieve sampling data (rules, targets, etc.) to be used by the X-Ray SDK.",
			[]string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"}},
		{"/", "AWSXrayWriteOnlyAccess", "AWS X-Ray write only managed policy", []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries"}},
		{"/", "AdministratorAccess", "Provides full access to AWS services and resources.", []string{"*"}},
		{"/", "AmazonAPIGatewayInvokeFullAccess", "Provides full access to invoke APIs in Amazon API Gateway.", []string{"execute-api:Invoke", "execute-api:ManageConnections"}},
		{service, "AmazonAPIGatewayPushToCloudWatchLogs", "Allows API Gateway to push logs to user's account.",
			logWrites("logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents")},
		{"/", "AmazonDynamoDBFullAccess", "Provides full access to Amazon DynamoDB via the AWS Management Console.", []string{"dynamodb:*"}},
		{"/", "AmazonDynamoDBReadOnlyAccess", "Provides read only access to Amazon DynamoDB via the AWS Management Console.",
			[]string{"dynamodb:BatchGetItem", "dynamodb:Describe*", "dynamodb:List*", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PartiQLSelect"}},
		{"/", "AmazonEventBridgeFullAccess", "Provides full access to Amazon EventBridge.", []string{"events:*", "schemas:*", "scheduler:*", "pipes:*"}},
		{"/", "AmazonKinesisFullAccess", "Provides full access to all streams via the AWS Management Console.", []string{"kinesis:*"}},
		{"/", "AmazonKinesisReadOnlyAccess", "Provides read only access to all streams via the AWS Management Console.", []string{"kinesis:Get*", "kinesis:List*", "kinesis:Describe*"}},
		{"/", "AmazonS3FullAccess", "Provides full access to all buckets via the AWS Management Console.", []string{"s3:*", "s3-object-lambda:*"}},
		{"/", "AmazonS3ReadOnlyAccess", "Provides read only access to all buckets via the AWS Management Console.",
			[]string{"s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"}},
		{"/", "AmazonSNSFullAccess", "Provides full access to Amazon SNS via the AWS Management Console.", []string{"sns:*"}},
		{"/", "AmazonSQSFullAccess", "Provides full access to Amazon SQS via the AWS Management Console.", []string{"sqs:*"}},
		{"/", "AmazonSQSReadOnlyAccess", "Provides read only access to Amazon SQS via the AWS Management Console.",
			[]string{"sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListDeadLetterSourceQueues", "sqs:ListQueues", "sqs:ListMessageMoveTasks", "sqs:ListQueueTags"}},
		{"/", "AmazonSSMReadOnlyAccess", "Provides read only access to Amazon SSM.", []string{"ssm:Describe*", "ssm:Get*", "ssm:List*"}},
		{"/", "CloudWatchFullAccess", "Provides full access to CloudWatch.", []string{"autoscaling:Describe*", "cloudwatch:*", "logs:*", "sns:*", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "oam:ListSinks"}},
		{"/", "CloudWatchLambdaInsightsExecutionRolePolicy", "Policy required for the Lambda Insights Extension", logWrites()},
		{"/", "CloudWatchLogsFullAccess", "Provides full access to CloudWatch Logs", []string{"logs:*", "cloudwatch:GenerateQuery"}},
		{"/", "IAMFullAccess", "Provides full access to IAM via the AWS Management Console.", []string{"iam:*", "organizations:DescribeAccount", "organizations:ListPolicies"}},
		{"/", "IAMReadOnlyAccess", "Provides read only access to IAM via the AWS Management Console.", []string{"iam:GenerateCredentialReport", "iam:GenerateServiceLastAccessedDetails", "iam:Get*", "iam:List*", "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy"}},
		{"/", "SecretsManagerReadWrite", "Provides read/write access to AWS Secrets Manager via the AWS Management Console.", []string{"secretsmanager:*", "kms:DescribeKey", "kms:ListAliases", "kms:ListKeys", "lambda:ListFunctions", "tag:GetResources"}},
	}
}
