package e2e

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestS3Boto3 is S3 as a user of boto3, of plain URLs and of browsers' forms meets it.
func TestS3Boto3(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/s3.py")
}

// TestS3CLI is the user of the AWS CLI, with a file that goes in parts.
func TestS3CLI(t *testing.T) {
	s, dir := start(t), t.TempDir()
	data := make([]byte, 40<<20)
	rand.Read(data)
	for name, content := range map[string][]byte{"tree/big": data, "tree/a/b.txt": []byte("b"), "tree/c d.txt": []byte("c")} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.sh(dir, "aws s3 mb s3://cli && aws s3 sync tree s3://cli/tree && aws s3 cp s3://cli/tree/big back && aws s3 mv 's3://cli/tree/c d.txt' s3://cli/moved")
	if back, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || !bytes.Equal(back, data) {
		t.Errorf("%d bytes came back, %v", len(back), err)
	}
	listed := s.sh(dir, "aws s3 ls --recursive s3://cli")
	for _, want := range []string{"tree/big", "tree/a/b.txt", "moved"} {
		if !strings.Contains(listed, want) {
			t.Errorf("%s is not listed:\n%s", want, listed)
		}
	}
	if again := s.sh(dir, "rm 'tree/c d.txt'; aws s3 sync tree s3://cli/tree"); strings.Contains(again, "upload:") {
		t.Errorf("what is there is sent again:\n%s", again)
	}
	s.sh(dir, "aws s3 rm --recursive s3://cli && aws s3 rb s3://cli")
}

// TestS3Rclone is a client that has nothing to do with AWS.
func TestS3Rclone(t *testing.T) {
	if _, err := exec.LookPath("rclone"); err != nil {
		t.Skip("no rclone on this machine")
	}
	s, dir := start(t), t.TempDir()
	for _, name := range []string{"from/a.txt", "from/d/ü b.txt"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat(name, 1000)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const remote = `:s3,provider=Other,env_auth=true,endpoint="'$AWS_ENDPOINT_URL'":`
	s.sh(dir, "unset AWS_CA_BUNDLE; rclone mkdir '"+remote+"rclone' && rclone copy from '"+remote+"rclone/x' && rclone check from '"+remote+"rclone/x' && rclone copy '"+remote+"rclone/x' to && diff -r from to && rclone purge '"+remote+"rclone'")
}
