package object

import "strings"

// Overlap finds two rules that would both be told of one event: such a pair may
// not be, even if their targets are not the same.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
func Overlap(rules []Rule) (a, b Rule, found bool) {
	for i, a := range rules {
		for _, b := range rules[i+1:] {
			if a.overlaps(b) {
				return a, b, true
			}
		}
	}
	return a, b, false
}

// overlaps tells whether there is an event that both want.
func (r Rule) overlaps(s Rule) bool {
	if !nested(r.Prefix, s.Prefix, strings.HasPrefix) || !nested(r.Suffix, s.Suffix, strings.HasSuffix) {
		return false
	}
	for _, e := range r.Events {
		for _, o := range s.Events {
			if sameEvents(e, o) {
				return true
			}
		}
	}
	return false
}

// nested tells whether what fits one of the two texts may fit the other as well.
func nested(a, b string, within func(s, part string) bool) bool { return within(a, b) || within(b, a) }

// sameEvents tells whether two names of events have one in common.
func sameEvents(a, b string) bool {
	x, all := strings.CutSuffix(strings.TrimPrefix(a, "s3:"), "*")
	y, every := strings.CutSuffix(strings.TrimPrefix(b, "s3:"), "*")
	return x == y || all && strings.HasPrefix(y, x) || every && strings.HasPrefix(x, y)
}
