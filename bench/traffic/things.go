package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// question makes a DNS query and its answer.
func question(r *rand.Rand, host string) (query, answer []byte) {
	id := uint16(r.Uint32())
	var q []byte
	for _, label := range strings.Split(host, ".") {
		q = append(append(q, byte(len(label))), label...)
	}
	q = append(q, 0, 0, 1, 0, 1)
	query = binary.BigEndian.AppendUint16(nil, id)
	query = append(append(query, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0), q...)
	answers := 1 + r.IntN(3)
	answer = binary.BigEndian.AppendUint16(nil, id)
	answer = append(append(answer, 0x81, 0x80, 0, 1, 0, byte(answers), 0, 0, 0, 0), q...)
	for range answers {
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, byte(20+r.IntN(180)), byte(r.Uint32()), byte(r.Uint32()), byte(1+r.IntN(250)))
	}
	return query, answer
}

// mqttPacket frames an MQTT 3.1.1 packet.
func mqttPacket(first byte, body []byte) []byte {
	b := []byte{first}
	for n := len(body); ; {
		digit := byte(n & 127)
		if n >>= 7; n == 0 {
			b = append(b, digit)
			break
		}
		b = append(b, digit|128)
	}
	return append(b, body...)
}

func mqttString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// telemetry is a device that tells a broker its readings.
func telemetry(r *rand.Rand) (out []message) {
	device := fmt.Sprintf("%s-%04x", name(r), r.Uint32N(1<<16))
	say := func(server bool, delay int64, b []byte) { out = append(out, message{server, delay, b}) }
	c := append(mqttString(nil, "MQTT"), 4, 0xc2, 0, 60)
	say(false, millisecond, mqttPacket(0x10, mqttString(mqttString(mqttString(c, device), "device"), fmt.Sprintf("%x", r.Uint64()))))
	say(true, millisecond, []byte{0x20, 2, 0, 0})
	say(false, millisecond, mqttPacket(0x82, append(mqttString([]byte{0, 1}, "home/"+device+"/set"), 1)))
	say(true, millisecond, []byte{0x90, 3, 0, 1, 1})
	for i := range 5 + r.IntN(40) {
		body := mqttString(nil, "home/"+device+"/"+pick(r, []string{"temperature", "humidity", "power", "state", "motion"}))
		first := byte(0x30)
		if r.IntN(2) == 0 {
			first = 0x32
			body = binary.BigEndian.AppendUint16(body, uint16(i+2))
		}
		body = fmt.Appendf(body, `{"ts":%d,"value":%.2f,"unit":"%s","battery":%d}`, 1_790_000_000+i, r.Float64()*100, pick(r, []string{"C", "%", "W"}), r.IntN(100))
		say(false, int64(r.ExpFloat64()*80e6), mqttPacket(first, body))
		if first == 0x32 {
			say(true, millisecond, []byte{0x40, 2, byte((i + 2) >> 8), byte(i + 2)})
		}
		if r.IntN(10) == 0 {
			say(false, 0, []byte{0xc0, 0})
			say(true, millisecond, []byte{0xd0, 0})
		}
	}
	say(false, millisecond, []byte{0xe0, 0})
	return out
}

// appliance is a small HTTP interface of a device.
func appliance(r *rand.Rand) []message {
	body := records(r, 100+r.IntN(800))
	q := fmt.Appendf(nil, "GET /api/%s/%d HTTP/1.1\r\nHost: %s.local\r\nUser-Agent: okhttp/4.%d.0\r\nAccept: application/json\r\nAuthorization: Bearer %x\r\n\r\n", pick(r, segments), r.IntN(99), name(r), r.IntN(12), r.Uint64())
	a := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: lighttpd/1.4.%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", r.IntN(70), len(body))
	return []message{{false, millisecond, q}, {true, 5 * millisecond, append(a, body...)}}
}

// video is some seconds of a camera's RTP stream.
func (w *wire) video() {
	r := w.rng
	seq, stamp, source := uint16(r.Uint32()), r.Uint32(), r.Uint32()
	for range 25 * (1 + r.IntN(6)) {
		for n := 1 + r.IntN(8); n > 0; n-- {
			b := []byte{0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7c, 0x41}
			if n == 1 {
				b[1] |= 0x80
			}
			binary.BigEndian.PutUint16(b[2:], seq)
			binary.BigEndian.PutUint32(b[4:], stamp)
			binary.BigEndian.PutUint32(b[8:], source)
			w.udp(1, append(b, noise(r, 600+r.IntN(750))...))
			seq++
			w.at += 100_000
		}
		stamp += 3600
		w.at += 40 * millisecond
	}
}

// clock asks for the time.
func (w *wire) clock() {
	b := make([]byte, 48)
	b[0], b[2] = 0x23, 6
	copy(b[40:], noise(w.rng, 8))
	w.udp(0, b)
	w.at += w.rtt
	a := append([]byte{0x24, 2, 6, 0xe9}, noise(w.rng, 44)...)
	w.udp(1, a)
}

// constrained reads a resource over CoAP.
func (w *wire) constrained() {
	r := w.rng
	id := byte(r.Uint32())
	q := []byte{0x44, 1, 0x5a, id, 1, 2, 3, id, 0xb7}
	q = append(append(q, "sensors"...), 0x04)
	w.udp(0, append(q, "temp"...))
	w.at += w.rtt
	a := []byte{0x64, 0x45, 0x5a, id, 1, 2, 3, id, 0xc1, 50, 0xff}
	w.udp(1, fmt.Appendf(a, `{"t":%.1f}`, r.Float64()*30))
}
