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
	intervals := &d.t.config.Ceiling
	if key != (datapath.DeviceKey{}) {
		i, err := d.insertDevice(keyWord(key))
		if err != nil {
			return fmt.Errorf("xdp: set ceilings: %w", err)
		}
		intervals = &d.t.shared[i].Interval
		defer atomic.StoreUint32(&d.t.shared[i].Own, 1)
	}
	for class, pps := range c {
		var ns uint64
		if pps > 0 {
			ns = max(uint64(time.Second)/uint64(pps), 1)
			d.setFeature(featureCeilings, true)
		}
		atomic.StoreUint64(&intervals[class], ns)
	}
	return nil
}

// SetTrusted implements datapath.Datapath.
func (d *Datapath) SetTrusted(devices []datapath.DeviceKey) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.t == nil {
		return errClosed
	}
	trusted := make(map[int]bool, len(devices))
	for _, key := range devices {
		i, err := d.insertDevice(keyWord(key))
		if err != nil {
			return fmt.Errorf("xdp: set trusted devices: %w", err)
		}
		trusted[i] = true
	}
	for i := range d.t.overflow() {
		var v uint32
		if trusted[i] {
			v = 1
		}
		if d.t.shared[i].Trusted != v {
			atomic.StoreUint32(&d.t.shared[i].Trusted, v)
		}
	}
	return nil
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
	return nil
}

// insertDevice gives the device's index, putting it in the table when it is
// not there yet, in the way the programs do (bpf/include/devices.h).
func (d *Datapath) insertDevice(key uint64) (int, error) {
	if key == deviceFree || key == deviceGone {
		return 0, fmt.Errorf("%x is not a device", key)
	}
	first, second := devicePlaces(key, d.seed, int(d.t.places))
	for _, place := range []int{first, second} {
		for way := range deviceWays {
			if atomic.LoadUint64(&d.t.keys[place].Key[way]) == key {
				return place*deviceWays + way, nil
			}
		}
	}
	for _, place := range []int{first, second} {
		for way := range deviceWays {
			p := &d.t.keys[place].Key[way]
			if k := atomic.LoadUint64(p); k == deviceFree || k == deviceGone {
				if atomic.CompareAndSwapUint64(p, k, key) || atomic.LoadUint64(p) == key {
					return place*deviceWays + way, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("device table is full")
}

const (
	deviceIdle  = 10 * time.Minute
	ageInterval = 10 * time.Second
)

// ageDevices frees the places of devices that were quiet for deviceIdle, once
// three quarters of the table are in use: a device that makes up addresses
// must not fill it for good. Devices that something was set for stay.
func (d *Datapath) ageDevices(used int) {
	if used < d.t.overflow()*3/8 || time.Since(d.aged) < ageInterval {
		return
	}
	d.aged = time.Now()
	oldest := ktime() - min(uint64(deviceIdle), ktime())
	for index := range d.t.overflow() {
		p := &d.t.keys[index/deviceWays].Key[index%deviceWays]
		key := atomic.LoadUint64(p)
		if key == deviceFree || key == deviceGone || d.t.shared[index].Own != 0 || d.t.shared[index].Trusted != 0 {
			continue
		}
		if d.lastSeen(index) < oldest {
			atomic.StoreUint64(p, deviceGone)
			for cpu := range int(d.t.cpus) {
				d.t.devices[cpu*d.t.stride()+index] = device{}
			}
			d.t.shared[index] = deviceShared{}
		}
	}
}

func (d *Datapath) lastSeen(index int) (last uint64) {
	for cpu := range int(d.t.cpus) {
		last = max(last, d.t.devices[cpu*d.t.stride()+index].Last)
	}
	return last
}
