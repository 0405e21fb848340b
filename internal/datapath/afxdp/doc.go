// Package afxdp takes the frames that the programs of the data path hand to
// user space, asks a judge about each, and sends them on by the other port. It
// knows AF_XDP sockets, their rings and their memory. It does not know what is
// in a frame, nor which frames come. internal/gate/inline drives it.
//
// It needs Linux 5.10 and CAP_NET_RAW. Frames are copied by the kernel (copy
// mode), which every driver can do.
package afxdp
