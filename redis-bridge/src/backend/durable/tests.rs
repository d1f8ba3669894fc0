use super::*;

const WITH: &str = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
    slave0:ip=127.0.0.1,port=7001,state=online,offset=90,lag=1\r\n\
    slave1:ip=127.0.0.1,port=7002,state=wait_bgsave,offset=500,lag=0\r\n\
    slave_read_only:1\r\nmaster_replid:aa\r\nmaster_repl_offset:100\r\n";

fn with(offset: u64, replicas: &[u64]) -> Replication {
    Replication {
        primary: true,
        history: "aa".to_owned(),
        offset,
        replicas: replicas.to_vec(),
        prompt: 0,
    }
}

#[test]
fn what_info_says() {
    let prompt = Replication {
        prompt: 1,
        ..with(100, &[90, 0])
    };
    assert_eq!(Replication::parse(WITH), prompt);
    let replica = Replication::parse("role:slave\r\nmaster_replid:aa\r\n");
    assert!(!replica.primary);
    assert_eq!(Replication::parse("garbage"), Replication::default());
}

#[test]
fn confirmed_by_one_that_has_all_of_the_same_history() {
    let before = with(100, &[90]);
    assert!(!before.confirms(&before));
    assert!(with(120, &[99, 100]).confirms(&before));
    assert!(!with(120, &[99]).confirms(&before));
    assert!(!with(120, &[]).confirms(&before));
    let other = Replication {
        history: "bb".to_owned(),
        ..with(500, &[500])
    };
    assert!(!other.confirms(&before), "another one was promoted");
    let demoted = Replication {
        primary: false,
        ..with(500, &[500])
    };
    assert!(!demoted.confirms(&before));
}

#[test]
fn replicas_out_of_sight_are_not_no_replicas() {
    let followed = Followed::default();
    assert!(followed.is_alone(&with(1, &[])));
    assert!(!followed.is_alone(&with(2, &[1])));
    assert!(!followed.is_alone(&with(3, &[])), "it lost sight of it");
    let other = Replication {
        history: "bb".to_owned(),
        ..with(3, &[])
    };
    assert!(followed.is_alone(&other), "a promoted one without any");
    assert!(!followed.is_alone(&Replication::default()), "no primary");
}

#[test]
fn abandoned_is_who_hears_none_of_the_replicas_it_had() {
    let followed = Followed::default();
    assert!(!followed.is_abandoned(&with(1, &[])), "it never had any");
    assert!(!followed.is_abandoned(&Replication::parse(WITH)));
    let late = Replication::parse(&WITH.replace("lag=1", "lag=2"));
    assert!(followed.is_abandoned(&late));
    assert!(followed.is_abandoned(&with(2, &[])), "it lost all of them");
    assert!(
        !followed.is_abandoned(&Replication::default()),
        "no primary"
    );
}
