package leat;

import io.elastic.api.ExecutionParameters;
import io.elastic.api.Function;
import io.elastic.api.HttpReply;
import io.elastic.api.Message;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;

/** Does what the body's member "do" says. JSON types have different packages in different versions of the library: hence var. */
public class Act implements Function {
    @Override
    public void execute(final ExecutionParameters parameters) {
        final var body = parameters.getMessage().getBody();
        final var emitter = parameters.getEventEmitter();
        final String text = body.getString("text", "");
        Notes.note("begin " + body.get("n"));
        switch (body.getString("do")) {
            case "echo", "emit":
                emitter.emitData(message(parameters).build());
                break;
            case "many":
                for (int i = 0; i < 3; i++) {
                    emitter.emitData(message(parameters).build());
                }
                break;
            case "key":
                emitter.emitData(message(parameters).headers(body.getJsonObject("headers")).build());
                break;
            case "throw":
                throw new IllegalStateException(text);
            case "emitError":
                emitter.emitException(new IllegalStateException(text));
                break;
            case "rebound":
                emitter.emitRebound(text);
                break;
            case "snapshot":
                emitter.emitSnapshot(body.getJsonObject("state"));
                break;
            case "keys":
                emitter.emitUpdateKeys(body.getJsonObject("keys"));
                break;
            case "reply":
                final byte[] content = ("{\"text\":\"" + text + "\"}").getBytes(StandardCharsets.UTF_8);
                emitter.emitHttpReply(new HttpReply.Builder().status(201).header("x-reply", "own").header("content-type", "application/json")
                        .content(new ByteArrayInputStream(content)).build());
                break;
            case "config":
                emitter.emitData(message(parameters).body(parameters.getConfiguration()).build());
                break;
            case "state":
                emitter.emitData(message(parameters).body(parameters.getSnapshot()).build());
                break;
            case "slow":
                pause(body.getInt("ms"));
                emitter.emitData(message(parameters).build());
                break;
            case "poison":
                Runtime.getRuntime().halt(1);
                break;
            default: // nothing
        }
    }

    private static Message.Builder message(final ExecutionParameters parameters) {
        return new Message.Builder().body(parameters.getMessage().getBody());
    }

    private static void pause(final int milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
