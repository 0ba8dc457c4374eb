// Package logs is the CloudWatch Logs API.
package logs
