package namespace

// caller reads a program to its fixed place, calls the forker, which follows, and
// exits.
func caller() []byte {
	return words(
		0xb24017e8,              // mov x8, #63         ; read(
		0xd2800000|controlFD<<5, // mov x0, #63         ;   control,
		0xd2a20001,              // mov x1, #0x10000000 ;   base,
		0xb26c03e2,              // mov x2, #0x100000   ;   room)
		0xd4000001,              // svc #0
		0xd2a20000,              // mov x0, #0x10000000
		0x94000003,              // bl forker
		0xd2800bc8,              // mov x8, #94         ; exit_group
		0xd4000001,              // svc #0
	)
}
