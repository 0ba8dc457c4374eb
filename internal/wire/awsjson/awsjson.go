// Package awsjson speaks awsJson1.0 and 1.1.
package awsjson
