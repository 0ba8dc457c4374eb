package restapi

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/gateway/accesslog"
	"github.com/mayfly-faas/mayfly/internal/store"
)

func errNoStage() error { return notFound("Invalid stage identifier specified") }

func isNotFound(err error) bool {
	e, ok := errors.AsType[*awserr.Error](err)
	return ok && e.Status == 404
}

var (
	stageForm    = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	variableForm = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	valueForm    = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]*$`)
)

// CreateStage puts a deployment on the web.
func (b *Book) CreateStage(ctx context.Context, api string, s Stage) (*Stage, error) {
	return &s, b.change(ctx, func(tx store.Tx) error {
		if _, err := b.api(tx, api); err != nil {
			return err
		}
		there, err := exists(tx, kindStage, api, s.Name)
		if err != nil {
			return err
		}
		if there {
			return conflict("Stage already exists")
		}
		return b.newStage(tx, api, &s)
	})
}

func (b *Book) newStage(tx store.Tx, api string, s *Stage) error {
	ok, err := exists(tx, kindDeployment, api, s.DeploymentID)
	if err != nil {
		return err
	}
	if !ok {
		return bad("Deployment id does not exist")
	}
	s.CreatedDate = b.seconds()
	s.LastUpdatedDate = s.CreatedDate
	if err := s.check(); err != nil {
		return err
	}
	return save(tx, kindStage, api, s.Name, s)
}

// check holds a stage to the rules, and to what is served.
func (s *Stage) check() error {
	if !stageForm.MatchString(s.Name) {
		return bad("Stage name only allows a-zA-Z0-9_-")
	}
	for k, v := range s.Variables {
		if !variableForm.MatchString(k) || !valueForm.MatchString(v) {
			return bad("Invalid stage variable value for %s. Stage variable values must match [A-Za-z0-9-._~:/?#&=,]+", k)
		}
	}
	if s.CacheClusterEnabled {
		return bad("Mayfly has no cache clusters yet: leave cacheClusterEnabled off.")
	}
	s.CacheClusterStatus = "NOT_AVAILABLE"
	for at, m := range s.Settings {
		if m.LoggingLevel != "" && !slices.Contains([]string{"OFF", "ERROR", "INFO"}, m.LoggingLevel) {
			return bad("Invalid logging level specified for %s: %s. Must be one of: OFF, ERROR, INFO", at, m.LoggingLevel)
		}
		if m.RateLimit < -1 || m.BurstLimit < -1 {
			return bad("Invalid throttle settings specified for %s", at)
		}
	}
	switch a := s.AccessLog; {
	case a == nil:
	case a.DestinationARN == "" && a.Format == "":
		s.AccessLog = nil
	case a.DestinationARN != "" && accesslog.Group(a.DestinationARN) == "":
		return bad("Invalid ARN specified in the request. Mayfly writes access logs to log groups of CloudWatch Logs alone: %s", a.DestinationARN)
	}
	return nil
}

// Stage reads a stage.
func (b *Book) Stage(ctx context.Context, api, name string) (*Stage, error) {
	return one[Stage](ctx, b, kindStage, api, name, errNoStage())
}

// Stages reads an API's stages, those of one deployment if it is given.
func (b *Book) Stages(ctx context.Context, api, deployment string) ([]*Stage, error) {
	stages, err := part[Stage](ctx, b, kindStage, api)
	return slices.DeleteFunc(stages, func(s *Stage) bool { return deployment != "" && s.DeploymentID != deployment }), err
}

// UpdateStage patches a stage.
func (b *Book) UpdateStage(ctx context.Context, api, name string, patches []Patch) (*Stage, error) {
	return write(ctx, b, func(tx store.Tx) (*Stage, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		s, err := load[Stage](tx, kindStage, api, name, errNoStage())
		if err != nil {
			return nil, err
		}
		if s, err = patched(s, stageRules(), patches, stagePatch); err != nil {
			return nil, err
		}
		ok, err := exists(tx, kindDeployment, api, s.DeploymentID)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, bad("Deployment id does not exist")
		}
		s.LastUpdatedDate = b.seconds()
		if err := s.check(); err != nil {
			return nil, err
		}
		return s, save(tx, kindStage, api, name, s)
	})
}

// stagePatch knows the patches of a stage that no rule can say: those of
// settings by method, "/~1pets/GET/throttling/rateLimit" and "/*/*/...", and
// those of canaries, which are not there.
func stagePatch(t tree, p Patch, segments []string) (bool, error) {
	if segments[0] == "canarySettings" || strings.HasPrefix(p.From, "/canarySettings") {
		if p.Op == "remove" {
			return true, nil
		}
		return true, bad("Mayfly does not serve canary releases yet.")
	}
	method, setting, ok := settingOf(segments)
	if !ok {
		return false, nil
	}
	settings, _ := t["methodSettings"].(tree)
	if settings == nil {
		settings = tree{}
	}
	if setting == "" { // all that is said of a method
		if p.Op != "remove" {
			return true, bad("Invalid patch path '%s' specified for op '%s'", p.Path, p.Op)
		}
		delete(settings, method)
		t["methodSettings"] = settings
		return true, nil
	}
	r := settingPaths()[setting]
	one, _ := settings[method].(tree)
	if one == nil {
		one = firstSetting()
		all, _ := settings["*/*"].(tree)
		maps.Copy(one, all) // what is not said of the method alone stays as it was
	}
	if p.Op == "remove" {
		one[r.path] = firstSetting()[r.path]
	} else {
		v, err := r.value(p)
		if err != nil {
			return true, err
		}
		one[r.path] = v
	}
	settings[method], t["methodSettings"] = one, settings
	return true, nil
}

// settingOf reads a path of a method's setting: the key of its settings, and
// which. The resource's path comes as one segment with its slashes escaped,
// or, from some clients, as segments of its own.
func settingOf(segments []string) (method, setting string, ok bool) {
	n := len(segments)
	if n >= 4 {
		setting = strings.Join(segments[n-2:], "/")
		if _, known := settingPaths()[setting]; known {
			return settingKey(segments[:n-2]), setting, true
		}
	}
	if n == 2 && (isHTTPMethod(segments[1]) || segments[1] == "*") {
		return settingKey(segments), "", true
	}
	return "", "", false
}

// settingKey is what a method's settings are kept under: "pets/GET", "*/*". A
// slash of the resource's path stays escaped, as AWS shows it.
func settingKey(segments []string) string {
	path := strings.Trim(strings.Join(segments[:len(segments)-1], "/"), "/")
	return strings.ReplaceAll(path, "/", "~1") + "/" + segments[len(segments)-1]
}

// firstSetting are the settings of a method before anything is said of them.
func firstSetting() tree {
	return tree{
		"metricsEnabled": false, "dataTraceEnabled": false, "loggingLevel": "OFF", "throttlingBurstLimit": 5000, "throttlingRateLimit": 10000.0,
		"cachingEnabled": false, "cacheTtlInSeconds": 300, "cacheDataEncrypted": false, "requireAuthorizationForCacheControl": true,
		"unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
	}
}

// DeleteStage takes a stage off the web.
func (b *Book) DeleteStage(ctx context.Context, api, name string) error {
	return b.change(ctx, func(tx store.Tx) error {
		if _, err := b.api(tx, api); err != nil {
			return err
		}
		if err := b.unmapped(tx, api, name); err != nil {
			return err
		}
		if err := b.leavePlans(tx, api, name); err != nil {
			return err
		}
		return remove(tx, kindStage, api, name, errNoStage())
	})
}

// FlushAuthorizers makes void what authorizers have said to a stage's requests.
func (b *Book) FlushAuthorizers(ctx context.Context, api, name string) error {
	return b.change(ctx, func(tx store.Tx) error {
		if _, err := b.api(tx, api); err != nil {
			return err
		}
		s, err := load[Stage](tx, kindStage, api, name, errNoStage())
		if err != nil {
			return err
		}
		s.Flushes++
		return save(tx, kindStage, api, name, s)
	})
}
