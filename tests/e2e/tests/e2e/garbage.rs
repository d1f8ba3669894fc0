//! A bridge that answers garbage: every use does as its policy says, nothing traps, and the way back is open.

use crate::faults_kit::{POLICY, recovers};
use crate::kit::{SOON, with_cookie};
use crate::liar::{Liar, Lie};
use tidegate_e2e::{Lab, Request, crowd, wait};

/// A gRPC message: not compressed, its length, its bytes.
fn message(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

fn lies() -> Vec<Lie> {
    let noise: Vec<u8> = (0..4_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    vec![
        Lie::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n*1".to_vec()),
        Lie::Raw(noise.clone()),
        Lie::Raw(Vec::new()),
        Lie::Silence,
        Lie::Body(noise.clone()),
        Lie::Body(message(&noise)),
        Lie::Body(message(b"")),
        Lie::Body(message(b"*1\r\n$5\r\nHELLO\r\n")),
        Lie::Body(message(b"*3\r\n$7\r\nWELCOME\r\n$0\r\n\r\n:-1\r\n")),
        Lie::Body(message(b"*2147483647\r\n")),
        Lie::Body(message(&b"*1\r\n".repeat(50_000))),
        Lie::Body(message(b"$536870912\r\nx")),
        Lie::Body(message(b"$-2\r\n:99999999999999999999\r\n")),
        Lie::Body(vec![0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
        Lie::Body(vec![1, 0, 0, 0, 1, 7]),
        Lie::Ended(message(b"+OK\r\n")),
        Lie::Ended(b"*1\r\n+OK\r\n".to_vec()),
        Lie::Ended(Vec::new()),
    ]
}

#[test]
fn garbage_from_a_bridge_is_on_error_and_never_a_trap() {
    let mut lab = Lab::new(&POLICY.replace("300ms", "100ms"));
    let token = lab.login("web", "ada", &[]).unwrap();
    let session = with_cookie("/web", "sid", token);
    assert_eq!(lab.client(0).send(&session).unwrap().status, 200);
    let sockets = [0, 1].map(|i| lab.files().bridge_socket(i));
    for bridge in ["bridge-0", "bridge-1"] {
        lab.kill(bridge).unwrap();
    }
    for lie in lies() {
        let liars = sockets.each_ref().map(|socket| Liar::at(socket, &lie));
        wait::until("it is asked", SOON, || {
            let told: u64 = liars.iter().map(Liar::told).sum();
            if told >= 4 {
                Ok(())
            } else {
                Err(format!("{lie:?}: {told}"))
            }
        })
        .unwrap();
        let asked = [
            (Request::get("/allow"), 200),
            (Request::get("/deny"), 503),
            (session.clone(), 503),
            (Request::get("/api/products/1"), 200),
        ];
        let wrong = crowd(12, |i| {
            let (request, wanted) = &asked[i % 4];
            let status = lab.client(0).send(request).unwrap().status;
            (status != *wanted).then(|| format!("{request:?}: {status}"))
        });
        assert_eq!(wrong.iter().flatten().next(), None, "{lie:?}");
        assert_eq!(lab.complaints(), [""; 0], "{lie:?}");
    }
    for bridge in ["bridge-0", "bridge-1"] {
        lab.revive(bridge).unwrap();
    }
    recovers(&lab, &session, SOON);
    recovers(&lab, &Request::get("/deny"), SOON);
}
