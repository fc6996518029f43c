//! WebSocket frames written and read by hand (RFC 6455, section 5.2), so that a test can send what
//! no library would: fragments, single bytes, half a frame.
//!
//! Pure functions of the test's thread; no I/O.

/// What a frame is for (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// A whole frame that came from the program.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) opcode: Opcode,
    pub(crate) payload: Vec<u8>,
}

/// Appends one unmasked server frame to `bytes`; `last` is false for all but the last fragment.
pub(crate) fn append_frame(bytes: &mut Vec<u8>, opcode: Opcode, last: bool, payload: &[u8]) {
    bytes.push(u8::from(last) << 7 | opcode as u8);
    match payload.len() {
        short @ 0..126 => bytes.push(u8::try_from(short).expect("below 126")),
        middle @ 126..65_536 => {
            bytes.push(126);
            bytes.extend_from_slice(&u16::try_from(middle).expect("16 bits").to_be_bytes());
        }
        long => {
            bytes.push(127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
}

/// One whole unmasked frame.
pub(crate) fn whole_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 10);
    append_frame(&mut bytes, opcode, true, payload);
    bytes
}

/// Takes the first whole frame out of `bytes`, or nothing when more bytes are needed.
///
/// Fails the test when the frame is not what a client may send: each must be masked and whole.
pub(crate) fn take_client_frame(bytes: &mut Vec<u8>) -> Option<Frame> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(first & 0xf0, 0x80, "a client's frame is whole and has no extension bits");
    assert_eq!(second & 0x80, 0x80, "a client masks its frames");
    let (length, mask_start) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => panic!("the program has no reason to send more than 64 KiB in a frame"),
        short => (usize::from(short), 2),
    };
    let start = mask_start + 4;
    let mask: [u8; 4] = bytes.get(mask_start..start)?.try_into().ok()?;
    let masked = bytes.get(start..start + length)?;
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    bytes.drain(..start + length);
    let opcode = match first & 0x0f {
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        other => panic!("a frame with opcode {other}"),
    };
    Some(Frame { opcode, payload })
}
