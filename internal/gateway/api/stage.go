package api

import (
	"maps"
	"regexp"
	"strings"
)

// AddStage adds a stage that edit fills.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html
func (d *Definition) AddStage(edit func(*Stage) error) (*Stage, error) {
	s := &Stage{CreatedDate: d.now, DefaultRouteSettings: &RouteSettings{DetailedMetricsEnabled: new(bool)}}
	if d.API.ProtocolType == WebSocket {
		s.DefaultRouteSettings.DataTraceEnabled = new(bool)
		s.DefaultRouteSettings.LoggingLevel = "OFF"
	}
	if err := d.editStage(s, edit); err != nil {
		return nil, err
	}
	if d.Stages[s.StageName] != nil {
		return nil, Conflict("Stage already exists")
	}
	d.Stages[s.StageName] = s
	return s, nil
}

// ChangeStage changes a stage by edit.
func (d *Definition) ChangeStage(name string, edit func(*Stage) error) (*Stage, error) {
	s, err := d.Stage(name)
	if err != nil {
		return nil, err
	}
	return s, d.editStage(s, edit)
}

// Stage is one of the API's stages.
func (d *Definition) Stage(name string) (*Stage, error) { return find(d.Stages, "stage", name) }

func (d *Definition) editStage(s *Stage, edit func(*Stage) error) error {
	was, settings := *s, maps.Clone(s.RouteSettings)
	if err := edit(s); err != nil {
		return err
	}
	s.LastUpdatedDate = d.now
	if s.AutoDeploy && s.DeploymentId != was.DeploymentId {
		return BadRequest("DeploymentId cannot be set for a stage that deploys automatically")
	}
	if s.DeploymentId != "" && d.Deployments[s.DeploymentId] == nil {
		return NotFound("Invalid Deployment identifier specified %s", s.DeploymentId)
	}
	return d.checkStage(s, settings)
}

// checkStage looks at a stage that had settings for some routes before: those
// may be of routes that have gone since.
func (d *Definition) checkStage(s *Stage, had map[string]*RouteSettings) error {
	name := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	if !name.MatchString(s.StageName) && (s.StageName != DefaultKey || d.API.ProtocolType != HTTP) {
		return BadRequest("Stage name only allows a-zA-Z0-9-_")
	}
	variable, value := regexp.MustCompile(`^[A-Za-z0-9_]+$`), regexp.MustCompile(`^[A-Za-z0-9-._~:/?#&=,]+$`)
	for k, v := range s.StageVariables {
		if !variable.MatchString(k) || !value.MatchString(v) {
			return BadRequest("Stage variable %s is invalid. Please use values with alphanumeric characters and the symbols ' ', -', '.', '_', ':', '/', '?', '&', '=', and ','.", k)
		}
	}
	if err := d.checkSettings(s, had); err != nil {
		return err
	}
	return checkAccessLog(s.AccessLogSettings)
}

func (d *Definition) checkSettings(s *Stage, had map[string]*RouteSettings) error {
	keys := map[string]bool{}
	for _, r := range d.Routes {
		keys[r.RouteKey] = true
	}
	for key, set := range s.RouteSettings {
		if !keys[key] && had[key] == nil {
			return NotFound("Unable to find Route by key %s within the provided RouteSettings", key)
		}
		if err := d.checkRouteSettings(set); err != nil {
			return err
		}
	}
	return d.checkRouteSettings(s.DefaultRouteSettings)
}

func (d *Definition) checkRouteSettings(s *RouteSettings) error {
	if s == nil {
		return nil
	}
	logs := s.LoggingLevel != "" && s.LoggingLevel != "OFF" || s.DataTraceEnabled != nil && *s.DataTraceEnabled
	switch {
	case logs && d.API.ProtocolType == HTTP:
		return BadRequest("Execution logs are not supported on protocolType HTTP")
	case s.ThrottlingBurstLimit != nil && *s.ThrottlingBurstLimit < 0, s.ThrottlingRateLimit != nil && *s.ThrottlingRateLimit < 0:
		return BadRequest("Throttling limits must not be negative")
	}
	return nil
}

func checkAccessLog(l *AccessLogSettings) error {
	switch {
	case l == nil || l.DestinationArn == "" && l.Format == "":
		return nil
	case l.DestinationArn == "" || l.Format == "":
		return BadRequest("Access logs need both a destination and a format")
	case strings.Contains(l.DestinationArn, ":firehose:"):
		return BadRequest("Mayfly writes access logs to log groups alone, not to %s", l.DestinationArn)
	case !strings.HasPrefix(l.DestinationArn, "arn:") || !strings.Contains(l.DestinationArn, ":log-group:"):
		return BadRequest("Invalid ARN specified in the request. ARNs must start with 'arn:aws:' and be of a log group: %s", l.DestinationArn)
	}
	return nil
}

// DeleteRouteSettings removes what a stage says of one route.
func (d *Definition) DeleteRouteSettings(stage, key string) error {
	s, err := d.Stage(stage)
	if err != nil {
		return err
	}
	if s.RouteSettings[key] == nil {
		return NotFound("Unable to find Route by key %s within the provided RouteSettings", key)
	}
	delete(s.RouteSettings, key)
	s.LastUpdatedDate = d.now
	return nil
}

// DeleteAccessLogSettings ends a stage's access logs.
func (d *Definition) DeleteAccessLogSettings(stage string) error {
	s, err := d.Stage(stage)
	if err != nil {
		return err
	}
	s.AccessLogSettings, s.LastUpdatedDate = nil, d.now
	return nil
}

// ResetAuthorizers voids what authorizers decided for a stage.
func (d *Definition) ResetAuthorizers(stage string) error {
	s, err := d.Stage(stage)
	if err != nil {
		return err
	}
	s.AuthorizersReset++
	return nil
}
