package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxMessage bounds a message, and all messages of a batch, with their attributes.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const maxMessage = 1 << 20

// An attribute is a message attribute.
type attribute struct {
	Type   string
	String string
	Binary []byte
}

func (a attribute) binary() bool { return strings.HasPrefix(a.Type, "Binary") }

func (a attribute) value() string {
	if a.binary() {
		return string(a.Binary)
	}
	return a.String
}

// encode writes attributes in the form that AWS takes the MD5 of, which is
// also how they are kept: for each in the order of their names the name, the
// type, a byte that tells the kind, and the value, each with its length.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func encode(attributes map[string]attribute) []byte {
	if len(attributes) == 0 {
		return nil
	}
	var b []byte
	put := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		put(name)
		put(a.Type)
		if a.binary() {
			b = append(b, 2)
		} else {
			b = append(b, 1)
		}
		put(a.value())
	}
	return b
}

var errEncoding = errors.New("sqs: attributes are not encoded")

// decode reads what encode wrote.
func decode(b []byte) (map[string]attribute, error) {
	m := map[string]attribute{}
	bad := false
	get := func() string {
		if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
			bad, b = true, nil
			return ""
		}
		n := 4 + int(binary.BigEndian.Uint32(b))
		s := string(b[4:n])
		b = b[n:]
		return s
	}
	for len(b) > 0 {
		name, a := get(), attribute{Type: get()}
		if len(b) == 0 {
			return nil, errEncoding
		}
		kind := b[0]
		b = b[1:]
		if v := get(); kind == 2 {
			a.Binary = []byte(v)
		} else {
			a.String = v
		}
		if bad {
			return nil, errEncoding
		}
		m[name] = a
	}
	return m, nil
}

// sum is an MD5 as SQS tells it.
func sum[T string | []byte](b T) string {
	h := md5.Sum([]byte(b))
	return hex.EncodeToString(h[:])
}

// sumOf is the MD5 of attributes, nil when there are none.
func sumOf(encoded []byte) *string {
	if len(encoded) == 0 {
		return nil
	}
	s := sum(encoded)
	return &s
}

// size is what attributes count for a message's size.
func size(attributes map[string]attribute) int {
	n := 0
	for name, a := range attributes {
		n += len(name) + len(a.Type) + len(a.value())
	}
	return n
}

// checkAttributes holds attributes to AWS's rules.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-message-attributes
func checkAttributes(attributes map[string]attribute) error {
	if len(attributes) > 10 {
		return invalid("Number of message attributes [%d] exceeds the allowed maximum [10].", len(attributes))
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := checkName(name); err != nil {
			return err
		}
		if err := attributes[name].check(name); err != nil {
			return err
		}
	}
	return nil
}

func checkName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return invalid("The request must contain non-empty message attribute names.")
	case len(name) > 256:
		return invalid("Message (user) attribute name must be shorter than 256 Bytes")
	case !nameText(name):
		return invalid("Invalid non-alphanumeric character was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.")
	case name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, ".."):
		return invalid("You cannot start or end the message attribute name with a dot, or have dots in a row.")
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalid("You cannot use message attribute names starting with 'AWS.' or 'Amazon.' because they are reserved.")
	}
	return nil
}

func nameText(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

func (a attribute) check(name string) error {
	base, _, _ := strings.Cut(a.Type, ".")
	switch {
	case a.Type == "":
		return invalid("The message attribute '%s' must contain a non-empty message attribute type.", name)
	case base != "String" && base != "Number" && base != "Binary":
		return invalid("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	case len(a.Type) > 256:
		return invalid("The message attribute type of '%s' must be shorter than 256 Bytes", name)
	case a.value() == "":
		return invalid("The message attribute '%s' must contain a non-empty value of type '%s'.", name, base)
	case !a.binary() && !validText(a.String):
		return invalidContents()
	case base == "Number":
		if _, err := strconv.ParseFloat(a.String, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
			return invalid("Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
	}
	return nil
}

// validText tells whether s is made of the characters that XML has, as SQS wants it.
func validText(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		i += n
	}
	return true
}

func invalidContents() error {
	return fail(400, "InvalidMessageContents", "InvalidMessageContents",
		"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
}

// checkID checks a group's or a deduplication's id.
func checkID(id, parameter string) error {
	for _, c := range []byte(id) {
		if c <= ' ' || c >= 0x7f {
			id = ""
		}
	}
	if id == "" || len(id) > 128 {
		return invalidValue(id, parameter, parameter+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	return nil
}
