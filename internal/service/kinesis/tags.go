package kinesis

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// tagMarks are what tags may hold beside letters, digits and spaces.
const tagMarks = "_./=+-@:%"

// checkTags refuses what cannot be tags.
//
// https://docs.aws.amazon.com/streams/latest/dev/tagging.html
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return tooManyTags()
	}
	for k, v := range tags {
		if strings.ContainsFunc(k+v, func(c rune) bool {
			return !unicode.IsLetter(c) && !unicode.IsNumber(c) && !unicode.IsSpace(c) && !strings.ContainsRune(tagMarks, c)
		}) {
			return invalid("Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - %% @ :.")
		}
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalid("Tag keys that begin with aws: are reserved.")
		}
	}
	return nil
}

func tooManyTags() error {
	return invalid("A given resource cannot have more than %d tags associated with it.", maxTags)
}

// tag adds tags to those in place.
func tag(place *map[string]string, tags map[string]string) error {
	all := maps.Clone(*place)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	if len(all) > maxTags {
		return tooManyTags()
	}
	*place = all
	return nil
}

// sortedTags are the tags behind a key.
func sortedTags(tags map[string]string, from string) []*Tag {
	list := []*Tag{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if from == "" || k > from {
			list = append(list, &Tag{Key: &k, Value: new(tags[k])})
		}
	}
	return list
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_AddTagsToStream.html
func (a *api) addTagsToStream(ctx context.Context, in *AddTagsToStreamInput) (*AddTagsToStreamResponse, error) {
	st, err := a.find(in.StreamName, in.StreamARN)
	if err == nil {
		err = checkTags(in.Tags)
	}
	if err == nil {
		err = a.change(ctx, st, func(s *settings) error { return tag(&s.Tags, in.Tags) })
	}
	if err != nil {
		return nil, a.fault(err, value0(in.StreamName))
	}
	return &AddTagsToStreamResponse{}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_RemoveTagsFromStream.html
func (a *api) removeTagsFromStream(ctx context.Context, in *RemoveTagsFromStreamInput) (*RemoveTagsFromStreamResponse, error) {
	st, err := a.find(in.StreamName, in.StreamARN)
	if err == nil {
		err = a.change(ctx, st, func(s *settings) error {
			maps.DeleteFunc(s.Tags, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
			return nil
		})
	}
	if err != nil {
		return nil, a.fault(err, value0(in.StreamName))
	}
	return &RemoveTagsFromStreamResponse{}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListTagsForStream.html
func (a *api) listTagsForStream(_ context.Context, in *ListTagsForStreamInput) (*ListTagsForStreamOutput, error) {
	st, err := a.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	list := sortedTags(st.set.Load().Tags, value0(in.ExclusiveStartTagKey))
	n := min(cmp.Or(int(value0(in.Limit)), len(list)), len(list))
	return &ListTagsForStreamOutput{Tags: list[:n], HasMoreTags: new(n < len(list))}, nil
}

// A resource is what tags and policies are for: a stream, or a consumer of it.
type resource struct {
	st       *stream
	consumer string // its name; "" is the stream itself
}

// resource finds what an ARN names.
func (a *api) resource(arn string) (resource, error) {
	st, c := a.byARN(arn)
	switch {
	case st == nil:
		return resource{}, notFound("Resource %s under account %s not found.", arn, a.account)
	case c != nil:
		return resource{st, c.Name}, nil
	}
	return resource{st: st}, nil
}

// edit changes the tags and the policy of a resource.
func (a *api) edit(ctx context.Context, arn string, fn func(tags *map[string]string, policy *string) error) error {
	r, err := a.resource(arn)
	if err != nil {
		return err
	}
	err = a.change(ctx, r.st, func(s *settings) error {
		if r.consumer == "" {
			return fn(&s.Tags, &s.Policy)
		}
		c, ok := s.Consumers[r.consumer]
		if !ok {
			return notFound("Resource %s under account %s not found.", arn, a.account)
		}
		c.Tags = maps.Clone(c.Tags)
		err := fn(&c.Tags, &c.Policy)
		s.Consumers[r.consumer] = c
		return err
	})
	return a.fault(err, r.st.name)
}

// look answers the tags and the policy of a resource.
func (a *api) look(arn string) (tags map[string]string, policy string, err error) {
	r, err := a.resource(arn)
	if err != nil {
		return nil, "", err
	}
	s := r.st.set.Load()
	if r.consumer != "" {
		c := s.Consumers[r.consumer]
		return c.Tags, c.Policy, nil
	}
	return s.Tags, s.Policy, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_TagResource.html
func (a *api) tagResource(ctx context.Context, in *TagResourceInput) (*TagResourceResponse, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return &TagResourceResponse{}, a.edit(ctx, *in.ResourceARN, func(tags *map[string]string, _ *string) error { return tag(tags, in.Tags) })
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_UntagResource.html
func (a *api) untagResource(ctx context.Context, in *UntagResourceInput) (*UntagResourceResponse, error) {
	return &UntagResourceResponse{}, a.edit(ctx, *in.ResourceARN, func(tags *map[string]string, _ *string) error {
		maps.DeleteFunc(*tags, func(k, _ string) bool { return slices.Contains(in.TagKeys, k) })
		return nil
	})
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListTagsForResource.html
func (a *api) listTagsForResource(_ context.Context, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	tags, _, err := a.look(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &ListTagsForResourceOutput{Tags: sortedTags(tags, "")}, nil
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutResourcePolicy.html
func (a *api) putResourcePolicy(ctx context.Context, in *PutResourcePolicyInput) (*PutResourcePolicyResponse, error) {
	var document struct{ Statement any }
	if json.Unmarshal([]byte(*in.Policy), &document) != nil || document.Statement == nil {
		return nil, invalid("The policy is not a valid JSON policy document.")
	}
	return &PutResourcePolicyResponse{}, a.edit(ctx, *in.ResourceARN, func(_ *map[string]string, policy *string) error {
		*policy = *in.Policy
		return nil
	})
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetResourcePolicy.html
func (a *api) getResourcePolicy(_ context.Context, in *GetResourcePolicyInput) (*GetResourcePolicyOutput, error) {
	_, policy, err := a.look(*in.ResourceARN)
	if err != nil {
		return nil, err
	}
	if policy == "" {
		return nil, noPolicy(*in.ResourceARN)
	}
	return &GetResourcePolicyOutput{Policy: &policy}, nil
}

func noPolicy(arn string) error {
	return notFound("No resource policy found for resource ARN %s.", arn)
}

// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DeleteResourcePolicy.html
func (a *api) deleteResourcePolicy(ctx context.Context, in *DeleteResourcePolicyInput) (*DeleteResourcePolicyResponse, error) {
	return &DeleteResourcePolicyResponse{}, a.edit(ctx, *in.ResourceARN, func(_ *map[string]string, policy *string) error {
		if *policy == "" {
			return noPolicy(*in.ResourceARN)
		}
		*policy = ""
		return nil
	})
}
