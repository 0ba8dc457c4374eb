package authorize

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// A Token is a JWT that is to be verified, and what must be in it.
type Token struct {
	Raw      string   // as the identity source has it, "" when it has nothing; perhaps behind "Bearer "
	Issuer   string   // whose it must be
	Audience []string // one of these it must be for
	Scopes   []string // one of these it must have; none asks for none
}

// algorithms are the signatures that count: those by a key that only the issuer
// has. "none" is not one, nor are those by a shared secret.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

// maxToken is the most that a token may hold: AWS takes no more of all headers.
const maxToken = 16 << 10

// Verify lets through who shows a good token. Its error is a *Refusal with the
// challenge that AWS answers, or the context's.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
func (a *Authority) Verify(ctx context.Context, t *Token) (*Grant, error) {
	raw := bare(t.Raw)
	if raw == "" {
		return nil, &Refusal{Kind: ErrUnauthorized, Text: "there is no token", Challenge: "Bearer"}
	}
	c, err := a.claims(ctx, t, raw)
	if err != nil {
		return nil, t.challenge(ErrUnauthorized, "invalid_token", err.Error())
	}
	if why := c.wrong(t, float64(a.Now().UnixNano())/1e9); why != "" {
		return nil, t.challenge(ErrUnauthorized, "invalid_token", why)
	}
	g := &Grant{Claims: c.texts()}
	if len(t.Scopes) == 0 {
		return g, nil
	}
	has := c.scopes()
	for _, s := range t.Scopes {
		if slices.Contains(has, s) {
			g.Scopes = append(g.Scopes, s)
		}
	}
	if g.Scopes == nil {
		return nil, t.challenge(ErrForbidden, "insufficient_scope", "the token has none of the scopes that are asked for")
	}
	return g, nil
}

// bare is a token without the word before it.
func bare(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 6 && strings.EqualFold(s[:6], "Bearer") && (len(s) == 6 || s[6] == ' ') {
		s = strings.TrimSpace(s[6:])
	}
	return s
}

// challenge is a refusal with the header that tells a client why.
func (t *Token) challenge(kind error, code, why string) error {
	quote := strings.NewReplacer(`"`, `'`, `\`, `/`, "\n", " ", "\r", " ")
	return &Refusal{Kind: kind, Text: why, Challenge: fmt.Sprintf(`Bearer scope="%s" error="%s" error_description="%s"`,
		quote.Replace(strings.Join(t.Scopes, " ")), code, quote.Replace(why))}
}

// claims are a token's, when its signature holds.
func (a *Authority) claims(ctx context.Context, t *Token, raw string) (claims, error) {
	if len(raw) > maxToken {
		return nil, fmt.Errorf("the token is too large")
	}
	signed, err := jose.ParseSignedCompact(raw, algorithms())
	if err != nil {
		return nil, fmt.Errorf("the token is not a JWT that is signed with a key of its issuer")
	}
	header := signed.Signatures[0].Protected
	key, err := a.issuers.key(ctx, a, t.Issuer, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	body, err := signed.Verify(key)
	if err != nil {
		return nil, fmt.Errorf("the token's signature is not valid")
	}
	return parseClaims(body)
}

// claims are what a token says.
type claims map[string]any

func parseClaims(body []byte) (claims, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var c claims
	if err := d.Decode(&c); err != nil || c == nil {
		return nil, fmt.Errorf("the token's claims are not valid")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("the token's claims are not valid")
	}
	return c, nil
}

// wrong says what is wrong with the claims at a time, "" for nothing.
func (c claims) wrong(t *Token, now float64) string {
	if iss, _ := c["iss"].(string); iss != t.Issuer {
		return "the token does not have a valid issuer"
	}
	if !c.isFor(t.Audience) {
		return "the token does not have a valid audience"
	}
	if exp, ok := c.time("exp"); !ok || exp <= now {
		return "the token has expired"
	}
	for _, name := range []string{"nbf", "iat"} {
		if at, ok := c.time(name); !ok && c[name] != nil || ok && at > now {
			return "the token is not valid yet: " + name
		}
	}
	return ""
}

// isFor tells whether the token is for one of an audience. Who is asked for by
// client_id is only when there is no aud: access tokens of Cognito.
func (c claims) isFor(audience []string) bool {
	aud, ok := c["aud"]
	if !ok {
		aud = c["client_id"]
	}
	return slices.ContainsFunc(texts(aud), func(s string) bool { return slices.Contains(audience, s) })
}

// time is a claim in seconds since 1970.
func (c claims) time(name string) (float64, bool) {
	n, ok := c[name].(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// scopes are those of "scope", or of "scp": words of one text, or a list.
func (c claims) scopes() (all []string) {
	v, ok := c["scope"]
	if !ok {
		v = c["scp"]
	}
	for _, s := range texts(v) {
		all = append(all, strings.Fields(s)...)
	}
	return all
}

// texts is one string, or the strings of a list.
func texts(v any) (all []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// texts are the claims as events tell them: AWS makes every one a string, a
// list "[a b]" and an object "map[k:v]".
func (c claims) texts() map[string]string {
	all := make(map[string]string, len(c))
	for k, v := range c {
		all[k] = fmt.Sprint(v)
	}
	return all
}
