package identity

// schema is the tables' history: steps are only ever appended.
//
// Roles, users and groups share one table: what IAM hangs on them (inline
// policies, attachments, tags) is the same, and so are the queries. A row is
// found by key, the lower-case name, since IAM's names differ in more than case.
var schema = []string{`
CREATE TABLE identity_server (
	id INTEGER PRIMARY KEY,
	server_key BLOB NOT NULL,
	root_id TEXT NOT NULL,
	root_secret BLOB NOT NULL,
	created INTEGER NOT NULL
)`, `
CREATE TABLE identity_identities (
	kind TEXT NOT NULL,
	key TEXT NOT NULL,
	name TEXT NOT NULL,
	id TEXT NOT NULL,
	path TEXT NOT NULL,
	created INTEGER NOT NULL,
	description TEXT NOT NULL,
	trust TEXT NOT NULL,
	max_session INTEGER NOT NULL,
	boundary TEXT NOT NULL,
	PRIMARY KEY (kind, key)
)`, `
CREATE UNIQUE INDEX identity_identities_id ON identity_identities (id)
`, `
CREATE TABLE identity_inline (
	owner TEXT NOT NULL,
	key TEXT NOT NULL,
	name TEXT NOT NULL,
	document TEXT NOT NULL,
	PRIMARY KEY (owner, key)
)`, `
CREATE TABLE identity_attached (
	owner TEXT NOT NULL,
	policy TEXT NOT NULL,
	PRIMARY KEY (owner, policy)
)`, `
CREATE INDEX identity_attached_policy ON identity_attached (policy)
`, `
CREATE TABLE identity_policies (
	arn TEXT PRIMARY KEY,
	key TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL,
	id TEXT NOT NULL,
	path TEXT NOT NULL,
	description TEXT NOT NULL,
	default_version INTEGER NOT NULL,
	last_version INTEGER NOT NULL,
	created INTEGER NOT NULL,
	updated INTEGER NOT NULL
)`, `
CREATE TABLE identity_versions (
	policy TEXT NOT NULL,
	version INTEGER NOT NULL,
	document TEXT NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (policy, version)
)`, `
CREATE TABLE identity_tags (
	owner TEXT NOT NULL,
	key TEXT NOT NULL,
	name TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (owner, key)
)`, `
CREATE TABLE identity_keys (
	id TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	secret BLOB NOT NULL,
	active INTEGER NOT NULL,
	created INTEGER NOT NULL,
	used INTEGER NOT NULL,
	used_region TEXT NOT NULL,
	used_service TEXT NOT NULL
)`, `
CREATE INDEX identity_keys_owner ON identity_keys (owner)
`, `
CREATE TABLE identity_members (
	group_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	PRIMARY KEY (group_id, user_id)
)`, `
CREATE INDEX identity_members_user ON identity_members (user_id)
`}
