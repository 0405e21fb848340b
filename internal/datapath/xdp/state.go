package xdp

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/masugata/masugata/internal/datapath"
)

func (d *Datapath) setFeature(bit uint32, on bool) {
	f := d.t.config.Features &^ bit
	if on {
		f |= bit
	}
	atomic.StoreUint32(&d.t.config.Features, f)
}

// SetInside implements datapath.Datapath; it takes at most 64 prefixes.
func (d *Datapath) SetInside(prefixes []netip.Prefix, antiSpoof bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	if len(prefixes) > maxInside {
		return fmt.Errorf("xdp: set inside: %d prefixes, at most %d", len(prefixes), maxInside)
	}
	in := inside{N: uint32(len(prefixes))}
	if antiSpoof {
		in.AntiSpoof = 1
	}
	for i, p := range prefixes {
		if !p.IsValid() || p.Addr().Zone() != "" {
			return fmt.Errorf("xdp: set inside: %v is not a prefix", p)
		}
		in.Prefix[i], in.Mask[i] = prefixMask(plainPrefix(p))
	}
	d.grace()
	next := d.t.config.InsideGeneration&1 ^ 1
	d.t.inside[next] = in
	atomic.StoreUint32(&d.t.config.InsideGeneration, next)
	d.setFeature(featureInside, in.N > 0)
	d.flipped = time.Now()
	return nil
}

// SetCeilings implements datapath.Datapath. A device with ceilings of its own
// keeps them, also when all are 0, until they are set again.
func (d *Datapath) SetCeilings(key datapath.DeviceKey, c datapath.Ceilings) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	if key == (datapath.DeviceKey{}) {
		for class, pps := range c {
			atomic.StoreUint64(&d.t.config.Ceiling[class], interval(pps, 0))
		}
	} else {
		i, err := d.insertDevice(keyWord(key))
		if err != nil {
			return fmt.Errorf("xdp: set ceilings: %w", err)
		}
		for class, pps := range c {
			atomic.StoreUint64(&d.t.shared[i].Ceiling[class].Interval, interval(pps, noCeiling))
		}
		atomic.StoreUint32(&d.t.shared[i].Own, 1)
	}
	if c != (datapath.Ceilings{}) {
		d.setFeature(featureCeilings, true)
	}
	return nil
}

// interval is the ns between packets at a rate, none for no rate.
func interval(pps uint32, none uint64) uint64 {
	if pps == 0 {
		return none
	}
	return max(uint64(time.Second)/uint64(pps), 1)
}

// SetTrusted implements datapath.Datapath.
func (d *Datapath) SetTrusted(devices []datapath.DeviceKey) error {
	_, err := d.mark("trusted", devices, func(s *deviceShared) *uint32 { return &s.Trusted })
	return err
}

// SetSpared implements datapath.Datapath.
func (d *Datapath) SetSpared(devices []datapath.DeviceKey) error {
	changed, err := d.mark("spared", devices, func(s *deviceShared) *uint32 { return &s.Spared })
	if changed {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.t != nil {
			d.lookAgain()
		}
	}
	return err
}

// mark sets a word of the devices named to 1 and of all others to 0.
func (d *Datapath) mark(what string, devices []datapath.DeviceKey, word func(*deviceShared) *uint32) (changed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return false, errClosed
	}
	marked := make(map[int]bool, len(devices))
	for _, key := range devices {
		i, err := d.insertDevice(keyWord(key))
		if err != nil {
			return false, fmt.Errorf("xdp: set %s devices: %w", what, err)
		}
		marked[i] = true
	}
	for i := range d.t.overflow() {
		var v uint32
		if marked[i] {
			v = 1
		}
		if w := word(&d.t.shared[i]); *w != v {
			atomic.StoreUint32(w, v)
			changed = true
		}
	}
	return changed, nil
}

// SetFailMode implements datapath.Datapath. It counts as a heartbeat.
func (d *Datapath) SetFailMode(m datapath.FailMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	if m > datapath.FailClosedUntrusted {
		return fmt.Errorf("xdp: fail mode %d is not known", m)
	}
	atomic.StoreUint64(&d.t.config.Heartbeat, ktime())
	d.setFeature(featureFailClosed, m == datapath.FailClosed)
	d.setFeature(featureFailUntrusted, m == datapath.FailClosedUntrusted)
	return nil
}

// Heartbeat implements datapath.Datapath.
func (d *Datapath) Heartbeat() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	atomic.StoreUint64(&d.t.config.Heartbeat, ktime())
	if d.unclear {
		d.lookAgain()
		d.unclear = false
	}
	return nil
}

// lookAgain makes the programs look every flow up again in rules and
// blocklist. On machines that reorder loads, a packet under way may have
// cleared its flow by the old state under the new generation; the next
// heartbeat therefore does it once more.
func (d *Datapath) lookAgain() {
	atomic.StoreUint32(&d.t.config.ClearGeneration, d.t.config.ClearGeneration%(1<<16-1)+1)
	d.unclear = true
}

// insertDevice gives the device's index, putting it in the table when it is
// not there yet, in the way the programs do (bpf/include/devices.h).
func (d *Datapath) insertDevice(key uint64) (int, error) {
	if key == deviceFree || key == deviceGone {
		return 0, fmt.Errorf("%x is not a device", key)
	}
	first, second := devicePlaces(key, d.seed, int(d.t.places))
	for _, place := range []*devicePlace{&d.t.index[first], &d.t.index[second]} {
		for way := range deviceWays {
			if atomic.LoadUint64(&place.Key[way]) == key && place.Index[way] != 0 {
				return int(place.Index[way]) - 1, nil
			}
		}
	}
	for _, place := range []*devicePlace{&d.t.index[first], &d.t.index[second]} {
		for way := range deviceWays {
			k := atomic.LoadUint64(&place.Key[way])
			if (k != deviceFree && k != deviceGone) || !atomic.CompareAndSwapUint64(&place.Key[way], k, key) {
				continue
			}
			if place.Index[way] == 0 {
				place.Index[way] = uint16(atomic.AddUint64(&d.t.config.DevicesUsed, 1))
			}
			return int(place.Index[way]) - 1, nil
		}
	}
	return 0, fmt.Errorf("device table is full")
}

const (
	deviceIdle  = 10 * time.Minute
	ageInterval = 10 * time.Second
)

// ageDevices frees the places of devices that were quiet for deviceIdle, once
// a third of the places are taken: a device that makes up addresses
// must not fill it for good. Devices that something was set for stay.
func (d *Datapath) ageDevices(used int) {
	if used < d.t.overflow()/3 || time.Since(d.aged) < ageInterval {
		return
	}
	d.aged = time.Now()
	oldest := ktime() - min(uint64(deviceIdle), ktime())
	for p := range d.t.index {
		for way := range deviceWays {
			d.ageDevice(&d.t.index[p], way, oldest)
		}
	}
}

func (d *Datapath) ageDevice(place *devicePlace, way int, oldest uint64) {
	key := atomic.LoadUint64(&place.Key[way])
	index := int(place.Index[way]) - 1
	if key == deviceFree || key == deviceGone || index < 0 || d.lastSeen(index) >= oldest {
		return
	}
	if shared := &d.t.shared[index]; shared.Own != 0 || shared.Trusted != 0 || shared.Spared != 0 {
		return
	}
	atomic.StoreUint64(&place.Key[way], deviceGone)
	for cpu := range int(d.t.cpus) {
		d.t.devices[cpu*d.t.stride()+index] = device{}
	}
	d.t.shared[index] = deviceShared{}
}

func (d *Datapath) lastSeen(index int) (last uint64) {
	for cpu := range int(d.t.cpus) {
		for _, l := range d.t.devices[cpu*d.t.stride()+index].Line {
			last = max(last, l.Last)
		}
	}
	return last
}
