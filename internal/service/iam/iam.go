// Package iam is the IAM API.
package iam
