//! Packets that somebody at the wires makes or changes.

use gatehouse::unit::reader::{Loss, ReaderNews};

use super::{World, credential, fob};

/// A card in the clear, as whoever has the wires can make it: the bytes of a reply to the poll with
/// the sequence of `reply`.
fn forged_card(reply: &[u8], security: &[u8]) -> Vec<u8> {
    let start = reply.iter().position(|byte| *byte == 0x53).unwrap();
    let (_, data) = fob(666);
    let block = if security.is_empty() { 0 } else { 8 };
    let mut packet = vec![0x53, 0x85, 0, 0, reply[start + 4] & 3 | 4 | block];
    packet.extend(security);
    packet.extend([0x50, 0, 1, 26, 0]);
    packet.extend(data);
    packet[2] = u8::try_from(packet.len() + 2).unwrap();
    with_crc(packet)
}

pub(super) fn with_crc(mut packet: Vec<u8>) -> Vec<u8> {
    let crc = packet.iter().fold(0x1d0fu16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    });
    packet.extend(crc.to_le_bytes());
    packet
}

/// Plays `forge` once into a secure session; no card of it may be told, whatever it says.
async fn forge_is_noticed(forge: fn(&[u8]) -> Vec<u8>, expected: Loss) {
    let mut world = World::with_reader().await;
    let mut once = Some(forge);
    world.far().meddle(Some(Box::new(move |packet| {
        Some(once.take().map_or_else(|| packet.to_vec(), |forge| forge(packet)))
    })));
    world.expect(ReaderNews::SecureLost(expected)).await;
    world.up(5).await;
    world.show(1);
    world.expect(ReaderNews::Presented(credential(1))).await;
}

#[tokio::test]
async fn a_card_in_the_clear_within_the_secure_channel_is_a_tamper_and_no_card() {
    forge_is_noticed(|reply| forged_card(reply, &[]), Loss::InTheClear).await;
}

#[tokio::test]
async fn a_card_in_a_packet_of_the_handshake_is_a_tamper_and_no_card() {
    // A security block of the handshake carries no MAC.
    forge_is_noticed(|reply| forged_card(reply, &[3, 0x12, 1]), Loss::InTheClear).await;
    forge_is_noticed(|reply| forged_card(reply, &[2, 0x16, 0, 0, 0, 0]), Loss::Forged).await;
}

#[tokio::test]
async fn a_reply_that_was_changed_on_its_way_is_a_tamper() {
    let change = |reply: &[u8]| {
        let start = reply.iter().position(|byte| *byte == 0x53).unwrap();
        let mut packet = reply[start..reply.len() - 2].to_vec();
        // The id: nothing new becomes a tamper report.
        packet[7] = 0x48;
        with_crc(packet)
    };
    forge_is_noticed(change, Loss::Forged).await;
}
