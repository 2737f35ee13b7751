package leat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Notes for the test, as node/notes.js writes them: one line a deed in $SAILOR_NOTES/FLOW.STEP. */
final class Notes {
    private Notes() {
    }

    static void note(final String text) {
        final String folder = System.getenv("SAILOR_NOTES");
        if (folder == null) {
            return;
        }
        final String name = System.getenv("ELASTICIO_FLOW_ID") + "." + System.getenv("ELASTICIO_STEP_ID").replace(":", "~");
        try {
            Files.writeString(Path.of(folder, name), text + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
