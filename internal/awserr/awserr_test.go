package awserr

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestFrom(t *testing.T) {
	deep := fmt.Errorf("create f: %w", fmt.Errorf("store: %w", New(409, "ResourceConflictException", "Function already exist: %s", "f")))
	e := From(deep, "ServiceException")
	if e.Code != "ResourceConflictException" || e.Status != 409 || e.Message != "Function already exist: f" || e.Fault != Client {
		t.Errorf("%+v", e)
	}
}

func TestFromHides(t *testing.T) {
	e := From(fmt.Errorf("open /secret/path: %w", io.ErrUnexpectedEOF), "ServiceException")
	if e.Code != "ServiceException" || e.Status != 500 || e.Fault != Server {
		t.Errorf("%+v", e)
	}
	if strings.Contains(e.Message, "secret") {
		t.Errorf("the caller sees %q", e.Message)
	}
	if !errors.Is(e, io.ErrUnexpectedEOF) {
		t.Error("the log does not see the cause")
	}
}

func TestFaultWords(t *testing.T) {
	if Client.String()+Client.Party()+Server.String()+Server.Party() != "UserSenderServerReceiver" {
		t.Errorf("%s %s %s %s", Client, Client.Party(), Server, Server.Party())
	}
}

func TestErrorText(t *testing.T) {
	if got := New(400, "Code", "100%% of %d", 3).Error(); got != "Code: 100% of 3" {
		t.Error(got)
	}
}
