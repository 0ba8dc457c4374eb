package function

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// The runtimes that a function may name, as of November 2026.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
var current = []string{
	"nodejs26.x", "nodejs24.x", "nodejs22.x", "nodejs20.x", "nodejs18.x", "nodejs16.x",
	"python3.15", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9", "python3.8",
	"java25", "java21", "java17.al2023", "java17", "java11.al2023", "java11", "java8.al2023", "java8.al2",
	"dotnet10", "dotnet8", "dotnet6", "ruby4.0", "ruby3.4", "ruby3.3", "ruby3.2", "provided.al2023", "provided.al2",
}

// The ones that AWS no longer takes for a new function.
var blocked = []string{
	"java8", "go1.x", "provided", "ruby2.7", "ruby2.5", "nodejs14.x", "nodejs12.x", "nodejs10.x", "nodejs8.10", "nodejs6.10",
	"nodejs4.3", "nodejs4.3-edge", "nodejs", "python3.7", "python3.6", "python2.7",
	"dotnetcore3.1", "dotnetcore2.1", "dotnetcore2.0", "dotnetcore1.0",
}

func checkRuntime(name string) error {
	if slices.Contains(current, name) {
		return nil
	}
	if slices.Contains(blocked, name) {
		return refuse(ErrInvalid, "The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", name)
	}
	return refuse(ErrInvalid, "Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", name, strings.Join(current, ", "))
}

// snapStarts tells whether AWS takes snapshots of a runtime.
// https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
func snapStarts(runtime string) bool {
	older := []string{"java8.al2", "java8.al2023", "python3.8", "python3.9", "python3.10", "python3.11", "dotnet6"}
	return !slices.Contains(older, runtime) &&
		(strings.HasPrefix(runtime, "java") || strings.HasPrefix(runtime, "python") || strings.HasPrefix(runtime, "dotnet"))
}

// RuntimeVersionARN names the version of a runtime, as INIT_START lines in
// logs do: always the first, since what runs is the interpreter of the host.
func (r *Registry) RuntimeVersionARN(runtime string) string {
	number := strings.TrimLeft(runtime, "abcdefghijklmnopqrstuvwxyz")
	name := strings.TrimSuffix(runtime, number)
	number = strings.TrimSuffix(strings.TrimPrefix(number, "."), ".x")
	sum := sha256.Sum256([]byte(name + ":" + number + ".v1"))
	return "arn:aws:lambda:" + r.region + "::runtime:" + hex.EncodeToString(sum[:])
}
