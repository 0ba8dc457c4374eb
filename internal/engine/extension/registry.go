package extension

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
)

// A state is where an extension is in its life. The names are AWS's, and appear in
// the function's log.
type state string

const (
	started     state = "Started"     // its process runs
	registered  state = "Registered"  // it has an identifier
	ready       state = "Ready"       // it waits for an event
	running     state = "Running"     // it has one
	initError   state = "InitError"   // it said that it cannot begin
	exitError   state = "ExitError"   // it said that it cannot go on
	launchError state = "LaunchError" // its process could not be started
)

// A Registry is the extensions of one sandbox, from one start of its runtime to
// the next. The zero value is one without any. Its methods may be called from any
// goroutine.
type Registry struct {
	mu       sync.Mutex // guards what follows
	all      []*member
	missing  int           // external ones that have not registered
	complete chan struct{} // closed when none is missing; nil when nobody asked
	sealed   bool          // nobody can register any more
	round    *round        // nil when nobody waits for one
	over     bool
	failure  string // the first error type that one reported
}

// A member is one extension.
type member struct {
	name, id string
	external bool
	events   []string
	state    state
	reason   string     // error type
	waits    chan Event // where it waits for an event; nil when it does not, or has it already
	pending  *Event     // that it has not come for
}

// A round is one wait for extensions to ask for their next event.
type round struct {
	left map[*member]bool
	done chan struct{}
}

// Expect says which external extensions there will be.
func (r *Registry) Expect(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range names {
		r.all = append(r.all, &member{name: n, external: true, state: started})
		r.missing++
	}
}

// Complete is closed when every external extension has registered.
func (r *Registry) Complete() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.complete == nil {
		r.complete = make(chan struct{})
		if r.missing == 0 {
			close(r.complete)
		}
	}
	return r.complete
}

// Register gives the extension called name an identifier. One that is not
// expected is internal: a part of the runtime's process.
func (r *Registry) Register(name string, req Request) (id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" {
		return "", refuse("InvalidExtensionName", "Empty extension name")
	}
	i := slices.IndexFunc(r.all, func(m *member) bool { return m.name == name })
	external := i >= 0 && r.all[i].external
	if refused := req.check(external); refused != nil {
		return "", refused
	}
	switch {
	case external && (r.all[i].state != started || r.sealed):
		return "", notAllowed(r.all[i].state, registered, name)
	case external:
		r.missing--
		if r.missing == 0 && r.complete != nil {
			close(r.complete)
		}
	case r.sealed || r.over:
		return "", refuse("RegistrationClosed", "Extension registration closed already")
	case i >= 0:
		return "", refuse("InvalidExtensionState", "Extension with this name already registered")
	case len(r.all) >= Most:
		return "", refuse("TooManyExtensions", "Extension limit (%d) reached", Most)
	default:
		i = len(r.all)
		r.all = append(r.all, &member{name: name})
	}
	m := r.all[i]
	m.id, m.events, m.state = NewID(), req.events(), registered
	return m.id, nil
}

// NewID is a random UUID.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// find is the member with an identifier. r.mu is held.
func (r *Registry) find(id string) (*member, error) {
	for _, m := range r.all {
		if m.id == id && id != "" {
			return m, nil
		}
	}
	return nil, refuse("UnknownExtensionIdentifier", "Unknown extension %s", id)
}

// Name is the name of the extension with an identifier.
func (r *Registry) Name(id string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, err := r.find(id)
	if err != nil {
		return "", err
	}
	return m.name, nil
}

// Ask is an extension asking for its next event, which comes on the channel; Leave
// takes the question back. The channel is closed when there will be none.
func (r *Registry) Ask(id string) (<-chan Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, err := r.find(id)
	if err != nil {
		return nil, err
	}
	again := m.state == ready && m.waits == nil // the connection on which it waited was lost
	if m.state != registered && m.state != running && !again {
		return nil, notAllowed(m.state, ready, id)
	}
	waits := make(chan Event, 1)
	if r.over {
		close(waits)
		return waits, nil
	}
	if m.pending != nil {
		waits <- *m.pending
		m.pending, m.state = nil, running
		return waits, nil
	}
	m.state, m.waits = ready, waits
	r.arrive(m)
	return waits, nil
}

// arrive notes that m has asked for its next event. r.mu is held.
func (r *Registry) arrive(m *member) {
	if r.round == nil || !r.round.left[m] {
		return
	}
	delete(r.round.left, m)
	if len(r.round.left) == 0 {
		close(r.round.done)
		r.round = nil
	}
}

// Leave says that nobody reads waits any more: its connection has ended. An event
// that was on its way is kept for the next question.
func (r *Registry) Leave(id string, waits <-chan Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, err := r.find(id)
	if err != nil {
		return
	}
	if m.waits == waits {
		m.waits = nil
		return
	}
	select {
	case e, ok := <-waits:
		if ok && m.state == running {
			m.pending, m.state = &e, ready
		}
	default:
	}
}

// InitError is an extension saying that it cannot begin.
func (r *Registry) InitError(id, kind string) error {
	return r.fail(id, kind, initError, "Extension.InitError", registered)
}

// ExitError is an extension saying that it cannot go on.
func (r *Registry) ExitError(id, kind string) error {
	return r.fail(id, kind, exitError, "Extension.ExitError", registered, ready, running)
}

// fail moves an extension to an error's state, from which there is no way back.
func (r *Registry) fail(id, kind string, to state, fatal string, from ...state) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, err := r.find(id)
	switch {
	case err != nil:
		return err
	case m.state == to: // the first error counts
		return nil
	case !slices.Contains(from, m.state):
		return notAllowed(m.state, to, id)
	}
	m.state, m.reason = to, kind
	r.fatal(fatal)
	return nil
}

// LaunchError notes that the process of an external extension could not be
// started, and why.
func (r *Registry) LaunchError(name, kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.all {
		if m.name == name {
			m.state, m.reason = launchError, kind
		}
	}
	r.fatal("Extension.LaunchError")
}

// fatal notes why all has to end. r.mu is held.
func (r *Registry) fatal(kind string) {
	if r.failure == "" {
		r.failure = kind
	}
}

// Failure is what an extension reported first: "Extension.InitError"; "" for none.
func (r *Registry) Failure() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

// Seal ends the time in which extensions can register: the runtime is ready.
func (r *Registry) Seal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = true
}

// Count is how many extensions have registered.
func (r *Registry) Count() (external, internal int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.all {
		switch {
		case m.id == "":
		case m.external:
			external++
		default:
			internal++
		}
	}
	return external, internal
}

// Ready is closed when every registered extension waits for an event; nil when
// there is none.
func (r *Registry) Ready() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		return nil
	}
	return r.begin(func(m *member) bool { return m.id != "" && m.state != ready && m.state != running })
}

// begin starts a round with those that belong. r.mu is held.
func (r *Registry) begin(belongs func(*member) bool) <-chan struct{} {
	n := &round{left: map[*member]bool{}, done: make(chan struct{})}
	for _, m := range r.all {
		if belongs(m) {
			n.left[m] = true
		}
	}
	if len(n.left) == 0 {
		close(n.done)
	} else {
		r.round = n
	}
	return n.done
}

// Tell hands e to those that listen for it. It returns the names of these; done is
// closed when each has asked for its next event.
func (r *Registry) Tell(e Event) (names []string, done <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	listens := func(m *member) bool {
		return slices.Contains(m.events, e.Type) && (m.state == ready || m.state == running || m.state == registered)
	}
	done = r.begin(listens)
	for _, m := range r.all {
		if !listens(m) {
			continue
		}
		names = append(names, m.name)
		if m.waits == nil {
			m.pending = &e
			continue
		}
		m.waits <- e // has room for it
		m.waits, m.state = nil, running
	}
	return names, done
}

// Infos tells of all extensions, the external ones first.
func (r *Registry) Infos() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Info
	for _, m := range r.all {
		list = append(list, Info{m.name, string(m.state), slices.Clone(m.events), m.reason})
	}
	return list
}

// Close ends all questions, without an answer.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for _, m := range r.all {
		if m.waits != nil {
			close(m.waits)
			m.waits = nil
		}
	}
}
