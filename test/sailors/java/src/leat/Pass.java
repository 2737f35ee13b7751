package leat;

import io.elastic.api.ExecutionParameters;
import io.elastic.api.Function;
import io.elastic.api.Message;

/** Hands messages on. */
public class Pass implements Function {
    @Override
    public void execute(final ExecutionParameters parameters) {
        parameters.getEventEmitter().emitData(new Message.Builder().body(parameters.getMessage().getBody()).build());
    }
}
