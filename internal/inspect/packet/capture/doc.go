// Package capture reads capture files (pcap with micro- or nanoseconds in
// either byte order, pcapng with several sections and interfaces) as a stream
// of frames with bounded memory. It knows file formats and nothing of what is
// in the frames; the offline reader of the gate calls it.
package capture
