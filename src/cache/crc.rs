//! CRC-32 (IEEE 802.3, the one of gzip): finds every flipped bit and every burst up to 32 bits.
//! It guards against corruption; against forgery the tuple in the record is compared.

/// Table `n` advances a byte by `n` more bytes, so that eight go at a time ("slicing-by-8", Kounavis
/// and Berry, 2005): a record is checked on each hit.
const TABLES: [[u32; 256]; 8] = tables();

/// The checksum of `bytes`.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
    let (chunks, rest) = bytes.as_chunks::<8>();
    let crc = chunks.iter().fold(!0_u32, |crc, chunk| {
        let [a, b, c, d, e, f, g, h] = *chunk;
        let [i, j, k, l] = crc.to_le_bytes();
        // What depends on the chunk before comes last: the rest is looked up meanwhile.
        let free = (entry(t3, e) ^ entry(t2, f)) ^ (entry(t1, g) ^ entry(t0, h));
        let bound = (entry(t7, a ^ i) ^ entry(t6, b ^ j)) ^ (entry(t5, c ^ k) ^ entry(t4, d ^ l));
        free ^ bound
    });
    !rest.iter().fold(crc, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        entry(t0, low ^ byte) ^ (crc >> 8)
    })
}

fn entry(table: &[u32; 256], index: u8) -> u32 {
    table.get(usize::from(index)).copied().unwrap_or_default()
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler"
)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                0xedb8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][index] = crc;
        index += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut index = 0;
        while index < 256 {
            let crc: u32 = tables[table - 1][index];
            tables[table][index] = (crc >> 8) ^ tables[0][(crc & 0xff) as usize];
            index += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests;
