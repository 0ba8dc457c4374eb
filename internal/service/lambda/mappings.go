package lambda

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/event/mapping"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

func (s *service) mappingOps() []wire.Op {
	return []wire.Op{
		op("CreateEventSourceMapping", mapped(s, s.createEventSourceMapping)),
		op("GetEventSourceMapping", mapped(s, s.getEventSourceMapping)),
		op("ListEventSourceMappings", mapped(s, s.listEventSourceMappings)),
		op("UpdateEventSourceMapping", mapped(s, s.updateEventSourceMapping)),
		op("DeleteEventSourceMapping", mapped(s, s.deleteEventSourceMapping)),
	}
}

// mapped is h where there are mappings.
func mapped[In, Out any](s *service, h func(context.Context, *In) (*Out, error)) func(context.Context, *In) (*Out, error) {
	return func(ctx context.Context, in *In) (*Out, error) {
		if s.mappings == nil {
			return nil, unsupported("event source mappings")
		}
		return h(ctx, in)
	}
}

// https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
func (s *service) createEventSourceMapping(ctx context.Context, in *CreateEventSourceMappingRequest) (*EventSourceMappingConfiguration, error) {
	e, err := mappingEdit(&UpdateEventSourceMappingRequest{
		FunctionName: in.FunctionName, Enabled: in.Enabled, BatchSize: in.BatchSize, FilterCriteria: in.FilterCriteria,
		FunctionResponseTypes: in.FunctionResponseTypes, KMSKeyArn: in.KMSKeyArn, LoggingConfig: in.LoggingConfig,
		MaximumBatchingWindowInSeconds: in.MaximumBatchingWindowInSeconds, MetricsConfig: in.MetricsConfig,
		ProvisionedPollerConfig: in.ProvisionedPollerConfig, ScalingConfig: in.ScalingConfig,
		ParallelizationFactor: in.ParallelizationFactor, BisectBatchOnFunctionError: in.BisectBatchOnFunctionError,
		MaximumRetryAttempts: in.MaximumRetryAttempts, MaximumRecordAgeInSeconds: in.MaximumRecordAgeInSeconds,
		TumblingWindowInSeconds: in.TumblingWindowInSeconds, DestinationConfig: in.DestinationConfig,
		SourceAccessConfigurations: in.SourceAccessConfigurations, AmazonManagedKafkaEventSourceConfig: in.AmazonManagedKafkaEventSourceConfig,
		SelfManagedKafkaEventSourceConfig: in.SelfManagedKafkaEventSourceConfig,
	})
	if err != nil {
		return nil, err
	}
	e.Position = in.StartingPosition
	if at := in.StartingPositionTimestamp; at != nil {
		e.PositionAt = &at.Time
	}
	one, err := s.createMapping(ctx, in, e)
	if err != nil {
		return nil, err
	}
	return s.mapping(one), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html
func (s *service) updateEventSourceMapping(ctx context.Context, in *UpdateEventSourceMappingRequest) (*EventSourceMappingConfiguration, error) {
	e, err := mappingEdit(in)
	if err != nil {
		return nil, err
	}
	one, err := s.mappings.Update(ctx, text(in.UUID), e)
	if err != nil {
		return nil, err
	}
	return s.mapping(one), nil
}

// createMapping makes a mapping of what its source is.
func (s *service) createMapping(ctx context.Context, in *CreateEventSourceMappingRequest, e mapping.Edit) (one mapping.Mapping, err error) {
	switch {
	case ofKafka(in):
		k, err := kafkaOf(in)
		if err != nil {
			return one, err
		}
		return s.mappings.Topic(ctx, text(in.EventSourceArn), k, e, in.Tags)
	case in.EventSourceArn == nil:
		return one, invalidParameter("Unrecognized event source.")
	case len(in.Queues)+len(in.Topics) > 0, in.AmazonManagedKafkaEventSourceConfig != nil, in.SelfManagedKafkaEventSourceConfig != nil:
		return one, invalidParameter("Unsupported parameter for given event source mapping type.")
	}
	return s.mappings.Create(ctx, text(in.EventSourceArn), e, in.Tags)
}

func invalidParameter(text string) error {
	return awserr.New(400, "InvalidParameterValueException", "%s", text)
}

// mappingEdit is what a request wants of a mapping.
func mappingEdit(in *UpdateEventSourceMappingRequest) (e mapping.Edit, err error) {
	e = mapping.Edit{
		Function: in.FunctionName, Enabled: in.Enabled, BatchSize: in.BatchSize, Window: in.MaximumBatchingWindowInSeconds, KMSKey: in.KMSKeyArn,
		Factor: in.ParallelizationFactor, Bisect: in.BisectBatchOnFunctionError, Retries: in.MaximumRetryAttempts,
		MaxAge: in.MaximumRecordAgeInSeconds, Tumbling: in.TumblingWindowInSeconds,
	}
	if e.OnFailure, err = failureDestination(in.DestinationConfig); err != nil {
		return e, err
	}
	if err := kafkaEdit(&e, in); err != nil {
		return e, err
	}
	if in.FilterCriteria != nil {
		filters := []string{}
		for _, f := range in.FilterCriteria.Filters {
			if f != nil {
				filters = append(filters, text(f.Pattern))
			}
		}
		e.Filters = &filters
	}
	if in.FunctionResponseTypes != nil {
		e.Reports = new(len(in.FunctionResponseTypes) > 0)
	}
	if in.ScalingConfig != nil {
		e.Concurrency = new(int32(0))
		if n := in.ScalingConfig.MaximumConcurrency; n != nil {
			e.Concurrency = n
		}
	}
	if c := in.ProvisionedPollerConfig; c != nil {
		var p *mapping.Pollers
		if c.MinimumPollers != nil || c.MaximumPollers != nil || c.PollerGroupName != nil {
			p = &mapping.Pollers{Min: c.MinimumPollers, Max: c.MaximumPollers, Group: text(c.PollerGroupName)}
		}
		e.Pollers = &p
	}
	if in.MetricsConfig != nil {
		e.Metrics = &in.MetricsConfig.Metrics
	}
	if in.LoggingConfig != nil {
		e.LogLevel = new(text(in.LoggingConfig.SystemLogLevel))
	}
	return e, nil
}

// failureDestination is where failures are to be told; nil when nothing is said
// of it, and "" to take one away. Streams tell of nothing else.
func failureDestination(in *DestinationConfig) (*string, error) {
	switch {
	case in == nil:
		return nil, nil
	case in.OnSuccess != nil && text(in.OnSuccess.Destination) != "":
		return nil, invalidParameter("Unsupported DestinationConfig parameter for given event source mapping type.")
	case in.OnFailure == nil:
		return new(""), nil
	}
	return new(text(in.OnFailure.Destination)), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
func (s *service) getEventSourceMapping(ctx context.Context, in *GetEventSourceMappingRequest) (*EventSourceMappingConfiguration, error) {
	one, err := s.mappings.Get(ctx, text(in.UUID))
	if err != nil {
		return nil, err
	}
	return s.mapping(one), nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html
func (s *service) listEventSourceMappings(ctx context.Context, in *ListEventSourceMappingsRequest) (*ListEventSourceMappingsResponse, error) {
	most := int32(0)
	if in.MaxItems != nil {
		most = *in.MaxItems
	}
	all, next, err := s.mappings.List(ctx, text(in.EventSourceArn), text(in.FunctionName), text(in.Marker), most)
	if err != nil {
		return nil, err
	}
	out := &ListEventSourceMappingsResponse{EventSourceMappings: make([]*EventSourceMappingConfiguration, len(all)), NextMarker: some(next)}
	for i, one := range all {
		out.EventSourceMappings[i] = s.mapping(one)
	}
	return out, nil
}

// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteEventSourceMapping.html
func (s *service) deleteEventSourceMapping(ctx context.Context, in *DeleteEventSourceMappingRequest) (*EventSourceMappingConfiguration, error) {
	one, err := s.mappings.Delete(ctx, text(in.UUID))
	if err != nil {
		return nil, err
	}
	return s.mapping(one), nil
}

// mapping shows a mapping, with the members that AWS shows of its kind.
func (s *service) mapping(one mapping.Mapping) *EventSourceMappingConfiguration {
	c := &EventSourceMappingConfiguration{
		UUID: new(one.UUID), EventSourceMappingArn: new(s.mappings.ARN(one.UUID)), FunctionArn: new(one.FunctionARN),
		BatchSize: new(one.BatchSize), MaximumBatchingWindowInSeconds: new(one.Window), LastModified: &wire.Time{Time: one.Modified},
		State: new(one.State), StateTransitionReason: new("USER_INITIATED"), LastProcessingResult: some(one.Result),
		FunctionResponseTypes: []string{}, KMSKeyArn: some(one.KMSKey),
	}
	if one.ByARN() {
		c.EventSourceArn = new(one.Source)
	}
	if one.Reports {
		c.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
	}
	if len(one.Filters) > 0 {
		c.FilterCriteria = &FilterCriteria{}
		for _, f := range one.Filters {
			c.FilterCriteria.Filters = append(c.FilterCriteria.Filters, &Filter{Pattern: new(f)})
		}
	}
	if one.Concurrency > 0 {
		c.ScalingConfig = &ScalingConfig{MaximumConcurrency: new(one.Concurrency)}
	}
	if p := one.Pollers; p != nil {
		c.ProvisionedPollerConfig = &ProvisionedPollerConfig{MinimumPollers: p.Min, MaximumPollers: p.Max, PollerGroupName: some(p.Group)}
	}
	if len(one.Metrics) > 0 {
		c.MetricsConfig = &EventSourceMappingMetricsConfig{Metrics: one.Metrics}
	}
	if one.LogLevel != "" {
		c.LoggingConfig = &EventSourceMappingLoggingConfig{SystemLogLevel: new(one.LogLevel)}
	}
	if one.Position != "" {
		showStreaming(c, one)
	}
	if one.Kafka != nil {
		showKafka(c, one)
	}
	return c
}

// showStreaming adds what mappings of streams alone have.
func showStreaming(c *EventSourceMappingConfiguration, one mapping.Mapping) {
	c.StartingPosition = new(one.Position)
	if !one.PositionAt.IsZero() {
		c.StartingPositionTimestamp = &wire.Time{Time: one.PositionAt}
	}
	c.StateTransitionReason = new("User action")
	if one.Result == "" {
		c.LastProcessingResult = new("No records processed")
	}
	c.ParallelizationFactor, c.BisectBatchOnFunctionError = new(one.Factor), new(one.Bisect)
	c.MaximumRetryAttempts, c.MaximumRecordAgeInSeconds = new(one.Retries), new(one.MaxAge)
	c.TumblingWindowInSeconds = new(one.Tumbling)
	c.DestinationConfig = &DestinationConfig{OnFailure: &OnFailure{Destination: some(one.OnFailure)}}
}
