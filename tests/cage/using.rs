//! Attacks that use up what others need. Without the sandbox the same small amounts meet the limits
//! that a job has by default.

use std::time::Duration;

use syft::jobs::OutputLimits;

use crate::suite::Noticed::Here;
use crate::suite::{Attack, attack};

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    attack("a fork bomb", "a machine that starts no program any more", r"
        for _ in range(80):
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
        hold()
        got()
        os.killpg(0, 9)
    ")
        .limited(|limits, confined| if confined { limits.processes = 40 }),
    attack("threads without end", "a machine that starts no program any more", r"
        import threading
        for _ in range(80):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.processes = 40 }),
    attack("memory of one process", "a machine that ends other programs for want of memory",
        "got(len(bytearray(200 << 20)))")
        .limited(|limits, confined| if confined { limits.memory_bytes = 100 << 20 }),
    attack("memory of many processes", "the same, with no process that is too large", r"
        for _ in range(5):
            if os.fork() == 0:
                data = bytearray(os.urandom(1)) * (40 << 20)
                time.sleep(60)
                os._exit(0)
        hold()
        got()
        os.killpg(0, 9)
    ")
        .limited(|limits, confined| if confined { limits.memory_bytes = 100 << 20 }),
    attack("shared memory", "the same, in memory that is no process's own data", r"
        page = mmap.mmap(-1, 200 << 20)
        for at in range(0, len(page), 4096):
            page[at] = 1
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.memory_bytes = 100 << 20 }),
    attack("temporary files", "the same, in folders that are memory", r#"
        for number in range(40):
            open(f"{os.environ['HOME']}/{number}", 'wb').write(bytes(1 << 20))
        got()
    "#)
        .limited(|limits, _| limits.scratch_bytes = 8 << 20),
    attack("empty temporary files", "the same: a name takes memory, whatever the folder's size is", r#"
        for number in range(60_000):
            os.mknod(f"{os.environ['HOME']}/{number}")
        hold()
        got()
    "#)
        .limited(|limits, confined| if confined { limits.memory_bytes = 50 << 20 }),
    attack("memory of processes that hide", "the same, in processes that nobody may look into", r"
        for _ in range(5):
            if os.fork() == 0:
                LIBC.prctl(4, 0)
                data = bytearray(os.urandom(1)) * (40 << 20)
                time.sleep(60)
                os._exit(0)
        hold()
        got()
        os.killpg(0, 9)
    ")
        .limited(|limits, confined| if confined { limits.memory_bytes = 100 << 20 }),
    attack("one large file", "a full disk", r"
        open('outputs/large', 'wb').write(bytes(8 << 20))
        got()
    ")
        .limited(|limits, confined| if confined { limits.file_bytes = 1 << 20 }),
    attack("a file full of holes", "a full disk where somebody copies it", r"
        os.truncate(os.open('outputs/giant', os.O_CREAT | os.O_RDWR), 64 << 20)
        got()
    ")
        .limited(|limits, confined| if confined { limits.file_bytes = 1 << 20 }),
    attack("many files that are large together", "a full disk", r"
        for number in range(40):
            open(f'outputs/{number}', 'wb').write(bytes(1 << 20))
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.outputs = OutputLimits { files: 100, bytes: 8 << 20 } }),
    attack("a file without a name", "a full disk with nothing to see", r"
        file = open('outputs/x', 'wb')
        os.unlink('outputs/x')
        file.write(bytes(40 << 20))
        file.flush()
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.outputs = OutputLimits { files: 100, bytes: 8 << 20 } }),
    attack("files too deep to be named", "a full disk, where no path is short enough to be looked at", r"
        os.chdir('outputs')
        for _ in range(20):
            os.mkdir('x' * 250)
            os.chdir('x' * 250)
        for number in range(40):
            open(f'{number}', 'wb').write(bytes(1 << 20))
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.outputs = OutputLimits { files: 100, bytes: 8 << 20 } }),
    attack("folders without end", "a program that runs out of memory or descriptors when it looks", r"
        os.chdir('outputs')
        for _ in range(300):
            os.mkdir('x')
            os.chdir('x')
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.outputs = OutputLimits { files: 1_000, bytes: 8 << 20 } }),
    attack("files in a closed folder", "a full disk, where its owner may not look", r"
        os.mkdir('outputs/a')
        for number in range(40):
            open(f'outputs/a/{number}', 'wb').write(bytes(1 << 20))
            os.chmod('outputs/a', 0o300)
        os.chmod('outputs/a', 0)
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.outputs = OutputLimits { files: 100, bytes: 8 << 20 } }),
    attack("many small files", "a disk without inodes", r"
        for number in range(3000):
            open(f'outputs/{number}', 'w').close()
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.outputs = OutputLimits { files: 100, bytes: 1 << 20 } }),
    attack("processor time", "a machine that is busy for others", r"
        for _ in range(2):
            if os.fork() == 0:
                end = time.process_time() + 3
                while time.process_time() < end:
                    pass
                os._exit(0)
        if all(os.wait()[1] == 0 for _ in range(2)):
            got()
    ")
        .limited(|limits, confined| if confined { limits.processor_time = Some(Duration::from_secs(1)) }),
    attack("time", "a place in the queue for ever", r"
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        hold()
        got()
    ")
        .limited(|limits, confined| if confined { limits.time = Duration::from_secs(1) }),
    attack("a log without end", "a full disk",
        "print('x' * 4_000_000)")
        .noticed(Here(|scene, _| {
            let log = scene.world.left("job").join("stdout.txt");
            log.metadata().unwrap().len() > 1_000_000
        }))
        .limited(|limits, confined| if confined { limits.log_bytes = 1_000 }),
];
