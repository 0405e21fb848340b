package xdp

import (
	"encoding/binary"
	"structs"
	"unsafe"

	"github.com/masugata/masugata/internal/datapath"
)

// The structs of bpf/include/layout.h; a test compares them with the objects.

type count struct {
	Packets uint64
	Bytes   uint64
}

type addr [2]uint64 // 16 bytes in network order

const (
	deviceWays = 6
	deviceFree = uint64(0)
	deviceGone = ^uint64(0)
	flowWays   = 8
	maxTuples  = 16
	maxChain   = 12
	maxInside  = 64
	block6Bits = 17
)

const (
	lineClasses = 2
	noCeiling   = ^uint64(0)
)

type devicePlace struct {
	_      structs.HostLayout
	Key    [deviceWays]uint64
	Index  [deviceWays]uint16
	Unused uint32
}

type deviceLine struct {
	_          structs.HostLayout
	Class      [lineClasses]count
	LastSource addr
	Key        uint64
	Last       uint64
}

type device struct {
	_           structs.HostLayout
	Line        [datapath.NumClasses / lineClasses]deviceLine
	LastSpoofed addr
	SpoofedAt   uint64
	First       uint64
	Dropped     uint64
	Rx          count
	Unused      uint64
}

type ceiling struct {
	_        structs.HostLayout
	Tat      uint64
	Interval uint64
}

type deviceShared struct {
	_       structs.HostLayout
	Ceiling [datapath.NumClasses]ceiling
	Own     uint32
	Trusted uint32
	Spared  uint32
	Unused4 uint32
	Unused  [6]uint64
}

type flow struct {
	_        structs.HostLayout
	Device   uint64
	Dst      addr
	Tail     uint32
	Clear    uint16
	Unused   uint16
	LenMin   uint16
	LenMax   uint16
	SportMin uint16
	SportMax uint16
	Packets  uint64
	Bytes    uint64
	Last     uint64
}

type flowMore struct {
	_           structs.HostLayout
	First       uint64
	Syn         uint64
	BareAck     uint64
	HTTP        uint64
	DNS         uint64
	BackPackets uint64
	BackBytes   uint64
	FlagsOr     uint8
	FlagsAnd    uint8
	Unused      [6]uint8
}

type flowSet struct {
	_   structs.HostLayout
	Way [flowWays]flow
}

type flowMoreSet struct {
	_   structs.HostLayout
	Way [flowWays]flowMore
}

type totals struct {
	_                 structs.HostLayout
	Forwarded         count
	DroppedRule       uint64
	DroppedBlocklist  uint64
	DroppedCeiling    uint64
	DroppedFail       uint64
	DroppedSpoofed    uint64
	Malformed         uint64
	FlowFull          uint64
	DeviceFull        uint64
	Inspected         uint64
	Settled           uint64
	DroppedVerdict    uint64
	Uninspected       uint64
	UncountedRefusals uint64
	Unused            [1]uint64
}

type rule struct {
	_            structs.HostLayout
	Device       uint64
	Dst          addr
	Deadline     uint64
	DeadlineWall int64
	Interval     uint64
	Tolerance    uint64
	ID           uint32
	PPS          uint32
	Dport        uint16
	Sport        uint16
	LenMin       uint16
	LenMax       uint16
	Proto        uint8
	DstBits      uint8
	DstFamily    uint8
	Verdict      uint8
	TCPFlags     uint8
	TCPMask      uint8
	Spoofed      uint8
	Used         uint8
	Unused       [4]uint64
}

type ruleHits struct {
	_       structs.HostLayout
	Matched count
	Stopped count
	Last    uint64
	Unused  [3]uint64
}

type tuple struct {
	_          structs.HostLayout
	DeviceMask uint64
	DstMask    addr
	DportMask  uint16
	SportMask  uint16
	ProtoMask  uint8
	FamilyMask uint8
	Unused     uint16
}

type tuples struct {
	_       structs.HostLayout
	N       uint32
	BySport uint32
	T       [maxTuples]tuple
}

type ruleKey struct {
	_          structs.HostLayout
	Device     uint64
	Dst        addr
	Dport      uint16
	Sport      uint16
	Proto      uint8
	Family     uint8
	Tuple      uint8
	Generation uint8
}

type ruleChain struct {
	_      structs.HostLayout
	N      uint32
	Slot   [maxChain]uint16
	Unused uint32
}

type bucketKey struct {
	_      structs.HostLayout
	Slot   uint32
	Device uint32
}

type verdictKey struct {
	_           structs.HostLayout
	Device      uint64
	Inside      addr
	Outside     addr
	InsidePort  uint16
	OutsidePort uint16
	Proto       uint8
	Family      uint8
	Unused      uint16
}

type verdict struct {
	_          structs.HostLayout
	Last       uint64
	Generation uint32
	Fate       uint32
}

type refusalKey struct {
	_       structs.HostLayout
	Device  uint64
	Outside addr
	Inward  uint8
	Proto   uint8
	Family  uint8
	Unused  [5]uint8
}

type refusal struct {
	_       structs.HostLayout
	Packets uint64
	Last    uint64
	Port    uint16
	Unused  [6]uint8
}

type lpm4 struct {
	_    structs.HostLayout
	Bits uint32
	Addr [4]byte
}

type lpm6 struct {
	_    structs.HostLayout
	Bits uint32
	Addr [16]byte
}

type inside struct {
	_         structs.HostLayout
	N         uint32
	AntiSpoof uint32
	Prefix    [maxInside]addr
	Mask      [maxInside]addr
}

// The bits of config.Features.
const (
	featureRules uint32 = 1 << iota
	featureBlock4
	featureBlock6
	featureCeilings
	featureInside
	featureFailClosed
	featureFailUntrusted
	featureInspect
)

type config struct {
	_                 structs.HostLayout
	Layout            uint64
	Seed              uint64
	Heartbeat         uint64
	Features          uint32
	RulesGeneration   uint32
	InsideGeneration  uint32
	Block6Levels      uint32
	ClearGeneration   uint32
	VerdictGeneration uint32
	Attached          uint64
	Inspecting        uint64
	Ceiling           [datapath.NumClasses]uint64
	DevicesUsed       uint64
	InspectionWorkers uint32
	Unused3           uint32
	Unused2           [6]uint64
}

// keyWord is the device key as the programs write it.
func keyWord(k datapath.DeviceKey) uint64 {
	var b [8]byte
	copy(b[:], k.MAC[:])
	binary.LittleEndian.PutUint16(b[6:], k.VLAN)
	return binary.LittleEndian.Uint64(b[:])
}

func wordKey(w uint64) (k datapath.DeviceKey) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], w)
	copy(k.MAC[:], b[:])
	k.VLAN = binary.LittleEndian.Uint16(b[6:])
	return k
}

func addrOf(b [16]byte) addr {
	return addr{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

func (a addr) bytes() (b [16]byte) {
	binary.LittleEndian.PutUint64(b[:8], a[0])
	binary.LittleEndian.PutUint64(b[8:], a[1])
	return b
}

// The device table's hash (bpf/include/devices.h).
func deviceHash(key, seed uint64) uint64 {
	return (key ^ seed) * 0x9E3779B97F4A7C15
}

func devicePlaces(key, seed uint64, places int) (first, second int) {
	h := deviceHash(key, seed)
	mask := uint32(places - 1)
	return int(uint32(h>>48) & mask), int(uint32(((h^h>>32)*0xD6E8FEB86659FD93)>>48) & mask)
}

// viewOf looks at mapped memory as n values of T.
func viewOf[T any](mem []byte, n int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}
