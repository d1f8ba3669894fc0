//! Modules that Envoy must not take (faults.md, H5).

use std::fs;
use tidegate_e2e::{Lab, SAMPLE};
use tidegate_stack::bridge;

/// An exported function: its name, how many `i32` it takes, whether it gives one, its instructions.
type Function = (&'static str, u8, bool, &'static [u8]);

/// `unreachable`.
const TRAP: &[u8] = &[0x00];
/// `i32.const 0`: no.
const NO: &[u8] = &[0x41, 0];
/// `i32.const 1`: yes.
const YES: &[u8] = &[0x41, 1];
/// The ABI that Envoy speaks.
const ABI: Function = ("proxy_abi_version_0_2_1", 0, false, &[]);
const ALLOCATE: Function = ("proxy_on_memory_allocate", 1, true, NO);
const CREATE: Function = ("proxy_on_context_create", 2, false, &[]);

/// A module of these functions and one page of memory, in WebAssembly's binary format.
fn module(functions: &[Function]) -> Vec<u8> {
    let count = u8::try_from(functions.len()).unwrap();
    let (mut types, mut indices) = (vec![count], vec![count]);
    let (mut exports, mut code) = (vec![count + 1], vec![count]);
    for (i, (name, takes, gives, body)) in (0..).zip(functions) {
        types.extend([0x60, *takes]);
        types.extend(vec![0x7f; usize::from(*takes)]);
        types.extend(if *gives { &[1, 0x7f][..] } else { &[0] });
        indices.push(i);
        exports.push(u8::try_from(name.len()).unwrap());
        exports.extend(name.bytes().chain([0, i]));
        // Its length, no variables, its end.
        code.extend([u8::try_from(body.len()).unwrap() + 2, 0]);
        code.extend(body.iter().chain(&[0x0b]));
    }
    exports.extend(b"\x06memory\x02\x00");
    let sections = [
        (1, types),
        (3, indices),
        (5, vec![1, 0, 1]),
        (7, exports),
        (10, code),
    ];
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    for (id, section) in sections {
        bytes.push(id);
        let length = section.len();
        // LEB128 of what takes two bytes at most.
        bytes.extend([length % 128 + 128, length / 128].map(|n| u8::try_from(n).unwrap()));
        bytes.extend(section);
    }
    bytes
}

/// With these as what Envoy calls when it begins.
fn begins(start: &'static [u8], configure: &'static [u8]) -> Vec<u8> {
    module(&[
        ABI,
        ALLOCATE,
        CREATE,
        ("proxy_on_vm_start", 2, true, start),
        ("proxy_on_configure", 2, true, configure),
    ])
}

#[test]
fn h5_twenty_modules_that_are_none_are_refused_and_the_old_one_serves() {
    let mut lab = Lab::new(SAMPLE);
    for call in ["proxy_on_vm_start", "proxy_on_configure"] {
        lab.provoke(call);
    }
    let whole = fs::read(bridge::module(lab.spec()).unwrap().unwrap()).unwrap();
    let mut bad: Vec<(String, Vec<u8>)> = (1..10)
        .map(|i| {
            (
                format!("cut at {i} tenths"),
                whole[..whole.len() * i / 10].to_vec(),
            )
        })
        .collect();
    let mut named = |name: &str, bytes: Vec<u8>| bad.push((name.to_owned(), bytes));
    named(
        "its last byte is missing",
        whole[..whole.len() - 1].to_vec(),
    );
    named("empty", Vec::new());
    named("no module", b"not wasm".to_vec());
    named("a head and nothing else", whole[..4].to_vec());
    named(
        "another version",
        [b"\0asm\x02\0\0\0", &whole[8..]].concat(),
    );
    named("no ABI", module(&[ALLOCATE]));
    let future = ("proxy_abi_version_9_9_9", 0, false, &[][..]);
    named("another ABI", module(&[future, ALLOCATE, CREATE]));
    named("traps when it starts", begins(TRAP, YES));
    named("does not start", begins(NO, YES));
    named("traps when it is configured", begins(YES, TRAP));
    named("refuses every configuration", begins(YES, NO));
    assert_eq!(bad.len(), 20);
    let file = lab.files().dir().join("bad.wasm");
    for (name, bytes) in bad {
        fs::write(&file, bytes).unwrap();
        let refused = lab.apply_wasm(&file).unwrap_err().to_string();
        assert!(refused.contains("refused by Envoy"), "{name}: {refused}");
        assert_eq!(lab.client(0).get("/admin/").unwrap().status, 401, "{name}");
    }
    assert_eq!(lab.live_workers().unwrap(), (2, 2));

    // That what refuses is what each of them lacks: one that lacks nothing is taken.
    fs::write(&file, begins(YES, YES)).unwrap();
    lab.apply_wasm(&file).unwrap();
}
