package wire

import "encoding/binary"

// begin appends the start of a method frame.
func begin(b []byte, channel uint16, id uint32) ([]byte, int) {
	b, at := beginFrame(b, FrameMethod, channel)
	return binary.BigEndian.AppendUint32(b, id), at
}

// AppendMethod appends the frame of a method without arguments.
func AppendMethod(b []byte, channel uint16, id uint32) []byte {
	b, at := begin(b, channel, id)
	return endFrame(b, at)
}

// AppendStart appends connection.start, version 0-9.
func AppendStart(b []byte, properties Table, mechanisms, locales string) []byte {
	b, at := begin(b, 0, ConnectionStart)
	b = AppendTable(append(b, 0, 9), properties)
	return endFrame(AppendLongstr(AppendLongstr(b, mechanisms), locales), at)
}

// AppendSecure appends connection.secure.
func AppendSecure(b []byte, challenge string) []byte {
	b, at := begin(b, 0, ConnectionSecure)
	return endFrame(AppendLongstr(b, challenge), at)
}

// AppendTune appends connection.tune; heartbeat in seconds.
func AppendTune(b []byte, channelMax uint16, frameMax uint32, heartbeat uint16) []byte {
	b, at := begin(b, 0, ConnectionTune)
	b = binary.BigEndian.AppendUint16(b, channelMax)
	b = binary.BigEndian.AppendUint32(b, frameMax)
	return endFrame(binary.BigEndian.AppendUint16(b, heartbeat), at)
}

// AppendOpenOk appends connection.open-ok.
func AppendOpenOk(b []byte) []byte {
	b, at := begin(b, 0, ConnectionOpenOk)
	return endFrame(append(b, 0), at)
}

// AppendClose appends connection.close (channel 0) or channel.close; cause is the id of the method that failed, or 0.
func AppendClose(b []byte, channel uint16, code uint16, text string, cause uint32) []byte {
	id := uint32(ChannelClose)
	if channel == 0 {
		id = ConnectionClose
	}
	b, at := begin(b, channel, id)
	b = AppendShortstr(binary.BigEndian.AppendUint16(b, code), text)
	return endFrame(binary.BigEndian.AppendUint32(b, cause), at)
}

// AppendBlocked appends connection.blocked.
func AppendBlocked(b []byte, reason string) []byte {
	b, at := begin(b, 0, ConnectionBlocked)
	return endFrame(AppendShortstr(b, reason), at)
}

// AppendChannelOpenOk appends channel.open-ok.
func AppendChannelOpenOk(b []byte, channel uint16) []byte {
	b, at := begin(b, channel, ChannelOpenOk)
	return endFrame(append(b, 0, 0, 0, 0), at)
}

// AppendFlowOk appends channel.flow-ok.
func AppendFlowOk(b []byte, channel uint16, active bool) []byte {
	b, at := begin(b, channel, ChannelFlowOk)
	return endFrame(append(b, bit(active)), at)
}

// AppendQueueDeclareOk appends queue.declare-ok.
func AppendQueueDeclareOk(b []byte, channel uint16, queue string, messages, consumers uint32) []byte {
	b, at := begin(b, channel, QueueDeclareOk)
	b = binary.BigEndian.AppendUint32(AppendShortstr(b, queue), messages)
	return endFrame(binary.BigEndian.AppendUint32(b, consumers), at)
}

// AppendCount appends queue.purge-ok or queue.delete-ok.
func AppendCount(b []byte, channel uint16, id uint32, messages uint32) []byte {
	b, at := begin(b, channel, id)
	return endFrame(binary.BigEndian.AppendUint32(b, messages), at)
}

// AppendTag appends basic.consume-ok or basic.cancel-ok.
func AppendTag(b []byte, channel uint16, id uint32, tag string) []byte {
	b, at := begin(b, channel, id)
	return endFrame(AppendShortstr(b, tag), at)
}

// AppendCancel appends basic.cancel, the notice that the broker ended a consumer.
func AppendCancel(b []byte, channel uint16, tag string) []byte {
	b, at := begin(b, channel, BasicCancel)
	return endFrame(append(AppendShortstr(b, tag), 1), at)
}

// AppendGetEmpty appends basic.get-empty.
func AppendGetEmpty(b []byte, channel uint16) []byte {
	b, at := begin(b, channel, BasicGetEmpty)
	return endFrame(append(b, 0), at)
}

// AppendAck appends basic.ack.
func AppendAck(b []byte, channel uint16, tag uint64, multiple bool) []byte {
	b, at := begin(b, channel, BasicAck)
	return endFrame(append(binary.BigEndian.AppendUint64(b, tag), bit(multiple)), at)
}

// AppendNack appends basic.nack.
func AppendNack(b []byte, channel uint16, tag uint64, multiple bool) []byte {
	b, at := begin(b, channel, BasicNack)
	return endFrame(append(binary.BigEndian.AppendUint64(b, tag), bit(multiple)), at)
}

// Content is a message as frames carry it. Keys are the short strings exchange and routing key, one behind the other; Props is the property list.
type Content struct {
	Keys, Props, Body []byte
}

// AppendDeliver appends basic.deliver with its content.
func AppendDeliver(b []byte, channel uint16, consumerTag string, tag uint64, redelivered bool, c Content, frameMax uint32) []byte {
	b, at := begin(b, channel, BasicDeliver)
	b = binary.BigEndian.AppendUint64(AppendShortstr(b, consumerTag), tag)
	b = append(append(b, bit(redelivered)), c.Keys...)
	return appendContent(endFrame(b, at), channel, c, frameMax)
}

// AppendGetOk appends basic.get-ok with its content; messages is how many are left.
func AppendGetOk(b []byte, channel uint16, tag uint64, redelivered bool, messages uint32, c Content, frameMax uint32) []byte {
	b, at := begin(b, channel, BasicGetOk)
	b = append(binary.BigEndian.AppendUint64(b, tag), bit(redelivered))
	b = binary.BigEndian.AppendUint32(append(b, c.Keys...), messages)
	return appendContent(endFrame(b, at), channel, c, frameMax)
}

// AppendReturn appends basic.return with its content.
func AppendReturn(b []byte, channel uint16, code uint16, text string, c Content, frameMax uint32) []byte {
	b, at := begin(b, channel, BasicReturn)
	b = AppendShortstr(binary.BigEndian.AppendUint16(b, code), text)
	return appendContent(endFrame(append(b, c.Keys...), at), channel, c, frameMax)
}

// appendContent appends the content header and as many body frames as frameMax asks for.
func appendContent(b []byte, channel uint16, c Content, frameMax uint32) []byte {
	b, at := beginFrame(b, FrameHeader, channel)
	b = append(b, 0, 60, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(len(c.Body)))
	b = endFrame(append(b, c.Props...), at)
	room := len(c.Body)
	if frameMax > 0 {
		room = int(frameMax) - FrameSize
	}
	for body := c.Body; len(body) > 0; {
		n := min(room, len(body))
		b, at = beginFrame(b, FrameBody, channel)
		b = endFrame(append(b, body[:n]...), at)
		body = body[n:]
	}
	return b
}
