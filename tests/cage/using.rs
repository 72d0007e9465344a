//! Attacks that use up what others need. Without the sandbox the same small amounts meet the limits
//! that a job has by default.

use std::time::Duration;

use syft::jobs::OutputLimits;

use crate::suite::{Attack, Noticed, ROW};

/// The table.
#[rustfmt::skip]
pub(crate) const ATTACKS: &[Attack] = &[
    Attack { name: "a fork bomb", gain: "a machine that starts no program any more",
        code: "for _ in range(80):\n    if os.fork() == 0:\n        time.sleep(60)\n        os._exit(0)\ntime.sleep(1)\ngot()\nos.killpg(0, 9)",
        limits: |limits, confined| if confined { limits.processes = 40 }, ..ROW },
    Attack { name: "threads without end", gain: "a machine that starts no program any more",
        code: "import threading\nfor _ in range(80):\n    threading.Thread(target=time.sleep, args=(3,), daemon=True).start()\ntime.sleep(1)\ngot()",
        limits: |limits, confined| if confined { limits.processes = 40 }, ..ROW },
    Attack { name: "memory of one process", gain: "a machine that ends other programs for want of memory",
        code: "got(len(bytearray(200 << 20)))",
        limits: |limits, confined| if confined { limits.memory_bytes = 100 << 20 }, ..ROW },
    Attack { name: "memory of many processes", gain: "the same, with no process that is too large",
        code: "for _ in range(5):\n    if os.fork() == 0:\n        data = bytearray(os.urandom(1)) * (40 << 20)\n        time.sleep(60)\n        os._exit(0)\n\
               time.sleep(2)\ngot()\nos.killpg(0, 9)",
        limits: |limits, confined| if confined { limits.memory_bytes = 100 << 20 }, ..ROW },
    Attack { name: "shared memory", gain: "the same, in memory that is no process's own data",
        code: "page = mmap.mmap(-1, 200 << 20)\nfor at in range(0, len(page), 4096):\n    page[at] = 1\ntime.sleep(1)\ngot()",
        limits: |limits, confined| if confined { limits.memory_bytes = 100 << 20 }, ..ROW },
    Attack { name: "temporary files", gain: "the same, in folders that are memory",
        code: "for number in range(40):\n    open(f\"{os.environ['HOME']}/{number}\", 'wb').write(bytes(1 << 20))\ngot()",
        limits: |limits, _| limits.scratch_bytes = 8 << 20, ..ROW },
    Attack { name: "one large file", gain: "a full disk",
        code: "open('outputs/large', 'wb').write(bytes(8 << 20))\ngot()",
        limits: |limits, confined| if confined { limits.file_bytes = 1 << 20 }, ..ROW },
    Attack { name: "a file full of holes", gain: "a full disk where somebody copies it",
        code: "os.truncate(os.open('outputs/giant', os.O_CREAT | os.O_RDWR), 64 << 20)\ngot()",
        limits: |limits, confined| if confined { limits.file_bytes = 1 << 20 }, ..ROW },
    Attack { name: "many files that are large together", gain: "a full disk",
        code: "for number in range(40):\n    open(f'outputs/{number}', 'wb').write(bytes(1 << 20))\ntime.sleep(1.5)\ngot()",
        limits: |limits, confined| if confined { limits.outputs = OutputLimits { files: 100, bytes: 8 << 20 } }, ..ROW },
    Attack { name: "a file without a name", gain: "a full disk with nothing to see",
        code: "file = open('outputs/x', 'wb')\nos.unlink('outputs/x')\nfile.write(bytes(40 << 20))\nfile.flush()\ntime.sleep(4)\ngot()",
        limits: |limits, confined| if confined { limits.outputs = OutputLimits { files: 100, bytes: 8 << 20 } }, ..ROW },
    Attack { name: "many small files", gain: "a disk without inodes",
        code: "for number in range(3000):\n    open(f'outputs/{number}', 'w').close()\ntime.sleep(1.5)\ngot()",
        limits: |limits, confined| if confined { limits.outputs = OutputLimits { files: 100, bytes: 1 << 20 } }, ..ROW },
    Attack { name: "processor time", gain: "a machine that is busy for others",
        code: "for _ in range(2):\n    if os.fork() == 0:\n        end = time.process_time() + 3\n        while time.process_time() < end:\n            pass\n        os._exit(0)\n\
               if all(os.wait()[1] == 0 for _ in range(2)):\n    got()",
        limits: |limits, confined| if confined { limits.processor_time = Some(Duration::from_secs(1)) }, ..ROW },
    Attack { name: "time", gain: "a place in the queue for ever",
        code: "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\ntime.sleep(2)\ngot()",
        limits: |limits, confined| if confined { limits.time = Duration::from_secs(1) }, ..ROW },
    Attack { name: "a log without end", gain: "a full disk",
        code: "print('x' * 4_000_000)",
        noticed: Noticed::Here(|scene, _| {
            let log = scene.world.left("job").join("stdout.txt");
            log.metadata().unwrap().len() > 1_000_000
        }),
        limits: |limits, confined| if confined { limits.log_bytes = 1_000 }, ..ROW },
];
