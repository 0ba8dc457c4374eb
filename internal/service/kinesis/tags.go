package kinesis

// checkTags refuses what cannot be tags.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("A resource cannot have more than %d tags associated with it.", maxTags)
	}
	return nil
}
