package wire

// Coverage renders which operations of each service are served, as a Markdown document.
func Coverage(services []Service) string { return "" }
