package pool

// Stats is what there is of one class.
type Stats struct {
	Running     int // taken
	Idle        int
	Starting    int
	Provisioned int // of running and idle
	Starts      int // so far, as long as the class is known
}

// Stats tells what there is, by key.
func (p *Pool) Stats() map[string]Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]Stats{}
	for key, sh := range p.shelves {
		all[key] = Stats{
			Idle:        sh.idle.n + sh.kept.n,
			Provisioned: sh.ready, Starting: sh.active + sh.have - sh.ready, Starts: sh.starts,
		}
	}
	for s := range p.slots {
		if s.taken {
			st := all[s.shelf.class.Key] // a drained class may still run
			st.Running++
			all[s.shelf.class.Key] = st
		}
	}
	return all
}

// Pressed reports whether somebody waits for an instance that is being started.
func (p *Pool) Pressed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.active) > 0
}

// MemoryMB is what counts as used of the memory.
func (p *Pool) MemoryMB() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.memory
}
