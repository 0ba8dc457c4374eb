package namespace

const (
	auditArch = 0xc00000b7 // AUDIT_ARCH_AARCH64
	x32Bit    = 0          // no such kind
)

// deniedHere are the calls to deny that only this architecture has.
func deniedHere() []uint32 { return nil }
