package modbus

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

var functionNames = [...]string{
	1: "RdCoils", "RdDiscreteInputs", "RdHoldRegs", "RdInputRegs", "WrSingleCoil", "WrSingleReg", "RdExcStatus", "Diagnostic",
	"Program484", "Poll484", "GetCommEventCtr", "GetCommEventLog", "ProgramController", "PollController", "WrMultCoils",
	"WrMultRegs", "ReportServerID", "Program884", "ResetCommLink", "RdFileRec", "WrFileRec", "MaskWrReg", "RdWrMultRegs",
	"RdFIFOQueue", 43: "MEI",
}

var diagnosticNames = [...]string{
	"RetQueryData", "RestartCommOpt", "RetDiagReg", "ChangeInputDelimiter", "ForceListenOnlyMode",
	10: "ClearCtrDiagReg", "RetBusMsgCount", "RetBusCommErrCount", "RetBusExcErrCount", "RetServerMsgCount",
	"RetServerNoRespCount", "RetServerNAKCount", "RetServerBusyCount", "RetBusCharOverrunCount",
	20: "ClearOverrunCounterFlag",
}

var exceptionNames = [...]string{
	1: "IllegalFunction", "IllegalDataAddr", "IllegalDataValue", "ServerDeviceFail", "Ack", "ServerDeviceBusy", "NegAck", "MemParityErr",
	10: "GatewayPathUnavailable", "GatewayTargetFailToResp",
}

var encapsulatedNames = [...]string{13: "CANOpenGenRefReqResp", "RdDevId"}

var accessNames = [...]string{"READ", "WRITE", "DISCRETES", "COILS", "INPUT", "HOLDING", "SINGLE", "MULTIPLE", "WRITE_SINGLE", "WRITE_MULTIPLE"}
var categoryNames = [...]string{"PUBLIC_ASSIGNED", "PUBLIC_UNASSIGNED", "USER_DEFINED", "RESERVED"}
var faultNames = [...]string{"DATA_LENGTH", "DATA_VALUE", "FUNC_CODE", "EXC_CODE", "PROTO_ID"}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("id", t.Inspection().Number+1)
	t.request.eve(&o, "request", true)
	t.response.eve(&o, "response", false)
	o.End()
	return o.B
}

func (m *message) eve(o *eve.Object, key string, request bool) {
	if !m.there {
		return
	}
	o.BeginObject(key)
	o.Uint("transaction_id", uint64(m.id))
	o.Uint("protocol_id", uint64(m.protocol))
	o.Uint("unit_id", uint64(m.unit))
	o.Uint("function_raw", uint64(m.function))
	o.Str("function_code", named(functionNames[:], int(m.function&^exceptionBit), "Unknown"))
	a := m.access()
	if m.function >= exceptionBit {
		a = 0
	}
	bits(o, "access_type", a.shown(), accessNames[:])
	bits(o, "category", uint16(m.category()), categoryNames[:])
	bits(o, "error_flags", uint16(m.faults), faultNames[:])
	switch {
	case m.function >= exceptionBit:
		o.BeginObject("exception")
		o.Uint("raw", uint64(m.exception))
		o.Str("code", named(exceptionNames[:], int(m.exception), "Unknown"))
		o.End()
	case m.function == diagnostic:
		o.BeginObject("diagnostic")
		o.Uint("raw", uint64(m.sub))
		o.Str("code", named(diagnosticNames[:], int(m.sub), "Reserved"))
		o.Text("data", m.data)
		o.End()
	case m.function == encapsulated:
		o.BeginObject("mei")
		o.Uint("raw", uint64(m.sub))
		o.Str("code", named(encapsulatedNames[:], int(m.sub), "Unknown"))
		o.Text("data", m.data)
		o.End()
	case a&accessRead != 0 || a&accessWrite != 0:
		m.eveAccess(o, a, request)
	default:
		o.Text("data", m.data)
	}
	o.End()
}

// shown are the bits of an access with those that records add for writes.
func (a access) shown() uint16 {
	v := uint16(a)
	if a&accessWrite != 0 && a&accessSingle != 0 {
		v |= 1 << 8
	}
	if a&accessWrite != 0 && a&accessMultiple != 0 {
		v |= 1 << 9
	}
	return v
}

func (m *message) eveAccess(o *eve.Object, a access, request bool) {
	if a&accessRead != 0 {
		o.BeginObject("read")
		if request {
			o.Uint("address", uint64(m.address))
			o.Uint("quantity", uint64(m.quantity))
		} else {
			o.Text("data", m.data)
		}
		o.End()
	}
	if a&accessWrite == 0 || a&accessRead != 0 && !request {
		return
	}
	o.BeginObject("write")
	address, quantity := m.address, m.quantity
	if m.function == readWriteRegisters {
		address, quantity = m.write, m.writes
	}
	o.Uint("address", uint64(address))
	switch {
	case m.function == maskWrite:
		o.Uint("and_mask", uint64(m.andMask))
		o.Uint("or_mask", uint64(m.orMask))
	case m.function == writeCoil || m.function == writeRegister:
		if len(m.data) == 2 {
			o.Uint("data", uint64(m.data[0])<<8|uint64(m.data[1]))
		}
	default:
		o.Uint("quantity", uint64(quantity))
		if request {
			o.Text("data", m.data)
		}
	}
	o.End()
}

func named(names []string, n int, other string) string {
	if n < len(names) && names[n] != "" {
		return names[n]
	}
	return other
}

// bits writes the names of the bits that are set, as "A | B".
func bits(o *eve.Object, key string, v uint16, names []string) {
	if v == 0 {
		o.Str(key, "NONE")
		return
	}
	var b [128]byte
	text := b[:0]
	for i, name := range names {
		if v&(1<<i) == 0 {
			continue
		}
		if len(text) > 0 {
			text = append(text, " | "...)
		}
		text = append(text, name...)
	}
	o.Text(key, text)
}
