//! MQTT 5 packets as bytes, by the specification: those of a client are read, those of a broker are written.

/// A packet from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Connect(Connect),
    Publish(Publish),
    Puback {
        packet_id: u16,
        code: u8,
    },
    Subscribe(Subscribe),
    Unsubscribe {
        packet_id: u16,
        filter: String,
    },
    Pingreq,
    Disconnect {
        code: u8,
    },
    /// Of another type.
    Other(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    /// Topic of the last will, and whether it is retained.
    pub(crate) will: Option<(String, bool)>,
    pub(crate) username: Option<String>,
    pub(crate) session_expiry: u32,
    pub(crate) receive_maximum: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// 0 with `QoS` 0.
    pub(crate) packet_id: u16,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) duplicate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscribe {
    pub(crate) packet_id: u16,
    pub(crate) filter: String,
    pub(crate) subscription_id: Option<u32>,
}

/// Takes the first packet from the front of `input`. `None`: it is not complete.
pub(crate) fn take(input: &mut Vec<u8>) -> Option<Packet> {
    let (mut length, mut place) = (0, 0);
    loop {
        let byte = *input.get(1 + place)?;
        length |= usize::from(byte & 0x7f) << (7 * place);
        place += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let end = 1 + place + length;
    if input.len() < end {
        return None;
    }
    let frame: Vec<u8> = input.drain(..end).collect();
    Some(read(frame[0], Reader(&frame[1 + place..])))
}

fn read(first: u8, mut body: Reader<'_>) -> Packet {
    match first >> 4 {
        1 => Packet::Connect(connect(body)),
        3 => {
            let qos = first >> 1 & 0b11;
            let topic = body.text();
            let packet_id = if qos > 0 { body.u16() } else { 0 };
            body.properties();
            let (retain, duplicate) = (first & 1 == 1, first & 8 == 8);
            Packet::Publish(Publish { topic, payload: body.0.to_vec(), packet_id, qos, retain, duplicate })
        }
        4 => Packet::Puback { packet_id: body.u16(), code: body.0.first().copied().unwrap_or(0) },
        8 => {
            let packet_id = body.u16();
            let subscription_id = body.properties().into_iter().find(|(id, _)| *id == 0x0b).map(|(_, value)| value);
            let filter = body.text();
            assert_eq!(body.0.len(), 1, "one filter with its options");
            Packet::Subscribe(Subscribe { packet_id, filter, subscription_id })
        }
        10 => {
            let packet_id = body.u16();
            body.properties();
            Packet::Unsubscribe { packet_id, filter: body.text() }
        }
        12 => Packet::Pingreq,
        14 => Packet::Disconnect { code: body.0.first().copied().unwrap_or(0) },
        other => Packet::Other(other),
    }
}

fn connect(mut body: Reader<'_>) -> Connect {
    assert_eq!((body.text().as_str(), body.u8()), ("MQTT", 5), "protocol name and version");
    let flags = body.u8();
    let _keep_alive = body.u16();
    let properties = body.properties();
    let property = |id: u8| properties.iter().find(|(known, _)| *known == id).map(|(_, value)| *value);
    let client_id = body.text();
    let will = (flags & 0b100 != 0).then(|| {
        body.properties();
        let topic = body.text();
        let _payload = body.text();
        (topic, flags & 0b10_0000 != 0)
    });
    Connect {
        client_id,
        clean_start: flags & 0b10 != 0,
        will,
        username: (flags & 0b1000_0000 != 0).then(|| body.text()),
        session_expiry: property(0x11).unwrap_or(0),
        receive_maximum: property(0x21).map_or(u16::MAX, |value| u16::try_from(value).unwrap()),
    }
}

/// The rest of a packet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    /// Text, or binary data: both have a length of two bytes in front.
    fn text(&mut self) -> String {
        let length = self.u16().into();
        String::from_utf8_lossy(self.take(length)).into_owned()
    }

    fn variable(&mut self) -> u32 {
        let (mut value, mut place) = (0, 0);
        loop {
            let byte = self.u8();
            value |= u32::from(byte & 0x7f) << (7 * place);
            place += 1;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    /// The properties with a number for a value; others are read past.
    fn properties(&mut self) -> Vec<(u8, u32)> {
        let length = self.variable() as usize;
        let mut block = Reader(self.take(length));
        let mut numbers = Vec::new();
        while !block.0.is_empty() {
            let id = block.u8();
            let value = match id {
                0x01 | 0x17 | 0x19 => block.u8().into(),
                0x21 | 0x22 => block.u16().into(),
                0x02 | 0x11 | 0x18 | 0x27 => block.u32(),
                0x0b => block.variable(),
                0x26 => {
                    let _pair = (block.text(), block.text());
                    continue;
                }
                _ => {
                    let _text = block.text();
                    continue;
                }
            };
            numbers.push((id, value));
        }
        numbers
    }
}

/// A CONNACK with a block of properties, in their bytes.
pub(crate) fn connack(session_present: bool, code: u8, properties: &[u8]) -> Vec<u8> {
    let length = u8::try_from(properties.len()).unwrap();
    [&[0x20, length + 3, u8::from(session_present), code, length], properties].concat()
}

/// A PUBACK in its shortest form.
pub(crate) fn puback(packet_id: u16, code: u8) -> Vec<u8> {
    let [high, low] = packet_id.to_be_bytes();
    if code == 0 { vec![0x40, 2, high, low] } else { vec![0x40, 3, high, low, code] }
}

/// A SUBACK for one filter.
pub(crate) fn suback(packet_id: u16, code: u8) -> Vec<u8> {
    let [high, low] = packet_id.to_be_bytes();
    vec![0x90, 4, high, low, 0, code]
}

/// An UNSUBACK for one filter.
pub(crate) fn unsuback(packet_id: u16, code: u8) -> Vec<u8> {
    let [high, low] = packet_id.to_be_bytes();
    vec![0xb0, 4, high, low, 0, code]
}

/// A PUBLISH from the broker: `flags` are the lower four bits of its first byte. Without `QoS`, `packet_id` means nothing.
pub(crate) fn publish(flags: u8, topic: &str, packet_id: u16, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
    body.extend_from_slice(topic.as_bytes());
    if flags & 0b110 != 0 {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    body.extend(variable(properties.len()));
    body.extend_from_slice(properties);
    body.extend_from_slice(payload);
    let mut packet = vec![0x30 | flags];
    packet.extend(variable(body.len()));
    packet.extend(body);
    packet
}

fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}
